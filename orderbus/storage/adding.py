"""The statement that stores orders, with or without what else is stored beside them."""

from __future__ import annotations

from dataclasses import dataclass

from orderbus.storage import events


@dataclass(frozen=True, slots=True, kw_only=True)
class Adding:
    """How the orders that the part ``given`` of the statement lists are stored.

    ``first`` are parts before any order is written, ``only`` says which are, ``content`` is what
    their events tell, and ``last`` follows with what is answered.
    """

    first: str = ""
    only: str = "true"
    content: str = "content"
    last: str = "SELECT public_id, created_at FROM placed"

    def statement(self) -> str:
        """Write the statement."""
        return f"""
    WITH given AS (
        SELECT public_id, content::jsonb, idempotency_key, content_hash, cart_uuid, details, actor,
               traceparent, request_id
          FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::uuid[], $6::text[],
                      $7::text[], $8::text[], $9::text[])
               AS given (public_id, content, idempotency_key, content_hash, cart_uuid, details,
                         actor, traceparent, request_id)
         WHERE (SELECT set_config('lock_timeout',
                                  coalesce($11, current_setting('lock_timeout')), true)) IS NOT NULL
    ){self.first}, placed AS (
        INSERT INTO orders.orders (public_id, source, external_ref, idempotency_key, content_hash,
               customer_name, customer_email, customer_ref, customer_id, shipping_address, total,
               cart_uuid, event_seq)
        SELECT public_id, content ->> 'source', content ->> 'order_id', idempotency_key,
               content_hash, content #>> '{{customer,name}}', content #>> '{{customer,email}}',
               content #>> '{{customer,ref}}', (content #>> '{{customer,id}}')::uuid,
               content ->> 'shipping_address', (content ->> 'total')::numeric, cart_uuid, 1
          FROM given
         WHERE {self.only}
        ON CONFLICT DO NOTHING
        RETURNING id, public_id, created_at
    ), items AS (
        INSERT INTO orders.order_items
               (order_id, line, sku, name, quantity, unit_price, product_uuid)
        SELECT placed.id, line, sku, name, quantity, unit_price, product
          FROM placed
          JOIN given USING (public_id),
               ROWS FROM (jsonb_to_recordset(content -> 'items')
                          AS (sku text, name text, quantity integer, unit_price numeric,
                              product uuid))
               WITH ORDINALITY AS item (sku, name, quantity, unit_price, product, line)
    ), happened AS (
        SELECT id AS order_pk, public_id AS order_public_id, created_at AS order_created_at,
               1 AS sequence, $10::text AS type, {self.content}, traceparent, request_id,
               created_at AS occurred_at, details::jsonb AS details,
               coalesce(actor, (SELECT closed_by FROM orders.carts WHERE uuid = given.cart_uuid),
                        content ->> 'source') AS actor
          FROM placed
          JOIN given USING (public_id)
    ), {events.INTO_HISTORY_AND_OUTBOX}
    {self.last}
"""  # noqa: S608 - constants of ours

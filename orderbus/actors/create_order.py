"""Make an order of a cart that was checked out."""

from orderbus import services
from orderbus.actors.consumers import consumer

create_order = consumer("cart.checked_out")(services.carts.create_order)

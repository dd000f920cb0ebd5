"""Every setting there is, subject by subject.

Names that come from the source documents (``DB_HOST``, ``PUBSUB_PROJECT_ID`` ...) are kept as they
are; every other one begins with ``ORDERBUS_``.
"""

from orderbus.settings.postgres import Postgres
from orderbus.settings.pubsub import Pubsub
from orderbus.settings.rabbitmq import Rabbitmq
from orderbus.settings.retention import Retention
from orderbus.settings.watching import Watching
from orderbus.settings.web import Web
from orderbus.settings.webhooks import Webhooks
from orderbus.settings.work import Work


# Pydantic takes the fields of the last base first: this is .env.example from its end.
class Fields(Retention, Watching, Work, Webhooks, Pubsub, Rabbitmq, Postgres, Web):
    """Each setting, what it means, and how it is written; checked one by one."""

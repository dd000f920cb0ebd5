"""The way to RabbitMQ and back: all of pika, and Dramatiq's broker as it has to be."""

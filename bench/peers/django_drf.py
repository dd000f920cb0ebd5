"""The accept endpoint as Django with its REST framework and psycopg 3, in threads of gunicorn."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import unquote, urlsplit

import django
from django.conf import settings

url = urlsplit(os.environ["DATABASE_URL"])
settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],  # it sets Content-Length
    INSTALLED_APPS=["rest_framework"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": url.hostname,
            "PORT": url.port,
            "USER": url.username,
            "PASSWORD": unquote(url.password or ""),
            "NAME": url.path[1:],
            "CONN_MAX_AGE": None,
        }
    },
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        "UNAUTHENTICATED_USER": None,
    },
    SECRET_KEY="a key for measurements",  # noqa: S106 - nobody signs anything here
    USE_TZ=True,
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402 - Django has to be set up first
from django.db import IntegrityError, models, transaction  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework import serializers  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402


class Order(models.Model):
    """An order."""

    id = models.BigAutoField(primary_key=True)
    reference = models.TextField(unique=True)
    customer_name = models.TextField()
    customer_email = models.TextField()
    shipping_address = models.TextField()
    total = models.DecimalField(max_digits=10, decimal_places=2)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label, db_table = "peers", 'peers"."orders'

    def __str__(self) -> str:
        return self.reference


class Item(models.Model):
    """One line."""

    id = models.BigAutoField(primary_key=True)
    order = models.ForeignKey(Order, models.CASCADE)
    sku = models.TextField()
    name = models.TextField()
    quantity = models.IntegerField()
    unit_price = models.DecimalField(max_digits=10, decimal_places=2)

    class Meta:
        app_label, db_table = "peers", 'peers"."items'

    def __str__(self) -> str:
        return self.sku


class Event(models.Model):
    """What tells of an order; what publishes reads it."""

    id = models.BigAutoField(primary_key=True)
    order = models.ForeignKey(Order, models.CASCADE)
    type = models.TextField()
    content = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label, db_table = "peers", 'peers"."events'

    def __str__(self) -> str:
        return self.type


class CustomerSerializer(serializers.Serializer):
    """Who ordered."""

    name = serializers.CharField(max_length=255)
    email = serializers.RegexField(r"^[^@\s]+@[^@\s]+$", max_length=254)


class ItemSerializer(serializers.Serializer):
    """One line."""

    sku = serializers.CharField(max_length=100)
    name = serializers.CharField(max_length=255)
    quantity = serializers.IntegerField(min_value=1, max_value=2_147_483_647)
    unit_price = serializers.DecimalField(max_digits=10, decimal_places=2, min_value=0)


class OrderSerializer(serializers.Serializer):
    """The body of a request."""

    order_id = serializers.CharField(max_length=255)
    customer = CustomerSerializer()
    items = ItemSerializer(many=True, allow_empty=False, max_length=1000)
    shipping_address = serializers.CharField(max_length=2000)
    total = serializers.DecimalField(max_digits=10, decimal_places=2, min_value=0)

    def create(self, validated_data: dict[str, Any]) -> Order:
        """Keep the order with its items and its event, all or nothing."""
        with transaction.atomic():
            order = Order.objects.create(
                reference=validated_data["order_id"],
                customer_name=validated_data["customer"]["name"],
                customer_email=validated_data["customer"]["email"],
                shipping_address=validated_data["shipping_address"],
                total=validated_data["total"],
            )
            Item.objects.bulk_create(Item(order=order, **item) for item in validated_data["items"])
            content = self.to_representation(validated_data)
            Event.objects.create(order=order, type="order.created", content=content)
        return order


class Create(APIView):
    """The endpoint."""

    def post(self, request: Request) -> Response:
        """Keep an order with its event; 201 means committed."""
        serializer = OrderSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            order = serializer.save()
        except IntegrityError:
            return Response({"error": "the order exists"}, status=409)
        return Response({"ok": True, "order_id": order.reference}, status=201)


urlpatterns = [path("webhooks/orders/create/", Create.as_view())]
application = get_wsgi_application()

"""The tables that pushes need, as Django sees them."""

# ruff: noqa: DJ008 - nobody prints them

from django.db import models


class DeviceToken(models.Model):
    id = models.BigAutoField(primary_key=True)
    user_id = models.BigIntegerField()
    token = models.TextField()
    is_active = models.BooleanField()

    class Meta:
        managed = False
        db_table = "device_token"


class PushLog(models.Model):
    id = models.BigAutoField(primary_key=True)
    device_token_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    promo_notification_id = models.BigIntegerField()
    promo_id = models.BigIntegerField()
    sent_date = models.DateField()
    notification_type = models.CharField(max_length=20, default="general")
    title = models.CharField(max_length=200)
    body = models.CharField(max_length=500)
    data = models.JSONField(default=dict)
    collapse_id = models.CharField(max_length=64)
    state = models.CharField(max_length=10, default="sent")
    attempts = models.SmallIntegerField(default=1)
    fcm_message_id = models.CharField(max_length=200)
    error_message = models.TextField(default="")
    due_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        managed = False
        db_table = "push_log"

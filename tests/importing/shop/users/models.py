from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    dni = models.CharField(max_length=30, blank=True)
    admin_notes = models.CharField(max_length=40, blank=True)

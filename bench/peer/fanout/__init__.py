"""A promotion's pushes as a Django shop sends them: Celery's tasks over Redis, the ORM for what is logged."""

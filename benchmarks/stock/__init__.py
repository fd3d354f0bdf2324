"""A stock Django project, written as the documentation of Django, django-redis, DRF and SimpleJWT says."""

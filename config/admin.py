"""What this site shows in its admin, besides what each app registers."""

from django.contrib import admin
from django.contrib.auth.models import Group
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from jwt_demo.admin import BlacklistedTokenAdmin, OutstandingTokenAdmin
from security.forms import ThrottledAuthenticationForm

# Roles decide here; a list of groups with no members would suggest otherwise.
admin.site.unregister(Group)
# SimpleJWT's own pages show the stored token and change nothing; ours name the family, and can end it.
admin.site.unregister([OutstandingToken, BlacklistedToken])
admin.site.register(OutstandingToken, OutstandingTokenAdmin)
admin.site.register(BlacklistedToken, BlacklistedTokenAdmin)
admin.site.login_form = ThrottledAuthenticationForm
admin.site.site_header = "Administration"
admin.site.site_title = "Administration"
admin.site.index_title = "Users, sessions, tokens"

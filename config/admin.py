"""The admin of this site, as far as no single app registers it."""

from django.contrib import admin
from django.contrib.auth.models import Group
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from jwt_demo.admin import BlacklistedTokenAdmin, OutstandingTokenAdmin
from security.forms import ThrottledAuthenticationForm

# This site uses roles and no groups. A page for groups would suggest that it needs them.
admin.site.unregister(Group)
# SimpleJWT's own pages show the stored token and cannot end it. These show the token family and can end it.
admin.site.unregister([OutstandingToken, BlacklistedToken])
admin.site.register(OutstandingToken, OutstandingTokenAdmin)
admin.site.register(BlacklistedToken, BlacklistedTokenAdmin)
admin.site.login_form = ThrottledAuthenticationForm
admin.site.site_header = "Administration"
admin.site.site_title = "Administration"
admin.site.index_title = "Users, sessions, tokens"

"""The people of the demo. Their passwords are printed at every start, so they exist with `DEMO=1` only."""

from dataclasses import dataclass

from accounts.models import User


@dataclass(frozen=True)
class DemoUser:
    """One user of the demo."""

    email: str
    role: User.Role

    @property
    def name(self) -> str:
        """The part before the @."""
        return self.email.partition("@")[0]

    @property
    def password(self) -> str:
        """`demo-only-` and the name."""
        return "demo-only-" + self.name


USERS = [
    DemoUser("alice@example.com", User.Role.MEMBER),
    DemoUser("bob@example.com", User.Role.MEMBER),
    DemoUser("admin@example.com", User.Role.ADMIN),
]


def ensure_users() -> None:
    """Adds the users who are missing. A user who changed the password keeps the new one."""
    present = set(User.objects.filter(email__in=[user.email for user in USERS]).values_list("email", flat=True))
    for user in USERS:
        if user.email not in present:
            name, admin = user.name.title(), user.role == User.Role.ADMIN
            User.objects.create_user(user.email, user.password, name=name, role=user.role, is_superuser=admin)

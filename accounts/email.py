"""E-mail addresses: one form to compare them by, another to send to.

Needs Django and the package `idna`. Gives `normalise`, `deliverable`, `validate_address`, a model field that
holds only the first form, and a form field.

A domain has one ASCII form (IDNA 2008, RFC 5891, with the mapping of UTS 46, non-transitional): browsers send
`jo@münchen.example` as `jo@xn--mnchen-3ya.example`, and both are one mailbox.
"""

import unicodedata
from contextlib import suppress
from functools import lru_cache
from typing import Any

import idna
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import models

# Characters: RFC 5321 section 4.5.3.1.3 allows 256 octets with the angle brackets.
MAXIMUM_LENGTH = 254
# Control and format characters (bidi controls among them), surrogates, line and paragraph separators. The two joiners
# are allowed, because Persian and Indic names need them. A domain has its own rule for joiners.
INVISIBLE, JOINERS = ("Cc", "Cf", "Cs", "Zl", "Zp"), "\u200c\u200d"


def normalise(address: str) -> str:
    """`address` in the form in which it is compared and looked up, without blanks around it.

    Two spellings of one mailbox must not become two accounts. The part before the @ is NFKC and case-folded, so
    full-width letters equal plain ones, and `ß` equals `ss`. Such an address can be looked up but not registered, see
    `validate_address`. The domain is in its ASCII form, in which `ß` and `ss` are two domains with two owners. A
    domain without an ASCII form is folded like the rest, so that a login with it is refused without an error. A text
    that cannot be stored (a NUL, half a surrogate pair) becomes "", which is the address of no user.
    """
    text = unicodedata.normalize("NFKC", address).strip()
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        return ""
    local, at, domain = text.rpartition("@")
    folded = _folded(domain)
    written = (_ascii(domain) or _ascii(folded)) if at else None
    return _folded(local) + at + (written or folded)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text.casefold()).strip()


@lru_cache(maxsize=1000)  # each login and each refresh needs one of the same few domains
def _ascii(domain: str) -> str | None:
    """The ASCII form of `domain`; `None` if there is none."""
    with suppress(UnicodeError):
        return idna.encode(domain, uts46=True, std3_rules=True).decode()
    return None


def as_given(address: str) -> str:
    """`address` as it is stored for sending: without blanks around it, "" if it cannot be stored."""
    return address.strip() if normalise(address) else ""


def deliverable(address: str) -> str:
    """`address` as a mail server gets it: the part before the @ as given, the domain in ASCII.

    Django would encode the domain by IDNA 2003, which turns `straße.example` into `strasse.example`: the domain of
    another owner. Raises `ValueError` if this site cannot send mail to the address.
    """
    local, _, domain = address.strip().rpartition("@")
    written = _ascii(domain)
    # Django would write the local part as an encoded word (RFC 2047), which names another mailbox.
    if not local or not local.isascii() or written is None:
        raise ValueError("no mail can be delivered to this address")
    return f"{local}@{written}"


def validate_address(address: str) -> None:
    """Refuses an address, as given, that no mail could be sent to. Raises `ValidationError` with a sentence."""
    given = address.strip()
    validate_visible(given)
    if not given.rpartition("@")[0].isascii():
        raise ValidationError("Use only ASCII characters before the @. Mail to other addresses cannot be delivered.")
    try:
        written = deliverable(given)
    except ValueError:
        sentence = "Enter an e-mail address whose domain can receive mail, such as carol@example.com."
        raise ValidationError(sentence) from None
    validate_email(written)
    if max(len(given), len(written)) > MAXIMUM_LENGTH:
        sentence = f"An e-mail address may have at most {MAXIMUM_LENGTH} characters, with its domain in ASCII."
        raise ValidationError(sentence)


def validate_visible(text: str) -> None:
    """Refuses invisible characters: they can break a line of a mail, or show a text in another order.

    Raises `ValidationError` with a sentence.
    """
    if any(unicodedata.category(character) in INVISIBLE and character not in JOINERS for character in text):
        raise ValidationError("Control characters and invisible characters cannot be used here.")


class AddressField(forms.EmailField):
    """A form field for an address as given, to which mail can be sent."""

    default_validators = [validate_address]


class NormalisedEmailField(models.EmailField):
    """Normalises each value that is stored or looked up, also in `QuerySet.update` and `bulk_create`.

    The address as given, for sending, is kept in the model's field of this name with `_as_given` at its end. That field
    must come after this one. `full_clean`, `save` and `bulk_create` set it.
    """

    # `clean` validates the address as given: its normalised form can be valid although the address is not.
    default_validators = []

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return normalise(value) if isinstance(value, str) else value

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        """The normalised address, or the address as given if there is no instance in which to keep it."""
        if model_instance is not None:
            self._keep(value, model_instance)
        cleaned = super().clean(value, model_instance)
        validate_address(value)
        return as_given(value) if model_instance is None else cleaned

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        given = super().pre_save(model_instance, add)
        self._keep(given, model_instance)
        value = self.to_python(given)
        setattr(model_instance, self.attname, value)
        return value

    def _keep(self, given: Any, model_instance: models.Model) -> None:
        # A row from the database has the normalised address. It must not replace the spelling that the user gave.
        name = f"{self.attname}_as_given"
        kept = getattr(model_instance, name, "")
        if isinstance(given, str) and not given == normalise(given) == normalise(kept):
            setattr(model_instance, name, as_given(given))

    def formfield(self, **options: Any) -> Any:
        return super().formfield(**{"form_class": AddressField, **options})

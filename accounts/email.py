"""E-mail addresses: one form to compare them by, another to send to.

Needs Django and the package `idna`. Gives `normalise`, `deliverable`, `validate_address`, a model field that
cannot hold anything but the first form, and a form field.

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
# Control and format characters (bidi controls among them), surrogates, line and paragraph separators; but for
# the two joiners, which Persian and Indic names are written with. A domain has its own rule for those.
INVISIBLE, JOINERS = ("Cc", "Cf", "Cs", "Zl", "Zp"), "\u200c\u200d"


def normalise(address: str) -> str:
    """`address` as it is compared and looked up, without blanks around it.

    Two spellings of one mailbox must not become two accounts. The part before the @ is NFKC and case-folded, so
    compatibility characters (full-width letters) compare as the plain ones, and `ß` as `ss`: such an address is
    compared, but none is taken, see `validate_address`. The domain is its ASCII form, where `ß` and `ss` are two
    domains with two owners. A domain without an ASCII form is folded like the rest, so that a login with one is
    refused and not an error. What cannot be stored at all (a NUL, half a surrogate pair) becomes "", which is
    the address of no user.
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


@lru_cache(maxsize=1000)  # the same few domains again and again, at each login and each refresh
def _ascii(domain: str) -> str | None:
    """The ASCII form of `domain`; `None` where there is none."""
    with suppress(UnicodeError):
        return idna.encode(domain, uts46=True, std3_rules=True).decode()
    return None


def as_given(address: str) -> str:
    """`address` as it is kept, to send to: without blanks around it, "" for what cannot be stored."""
    return address.strip() if normalise(address) else ""


def deliverable(address: str) -> str:
    """`address` as it is handed to a mail server: the part before the @ as given, the domain in ASCII.

    Django would encode the domain by IDNA 2003, which makes `strasse.example` of `straße.example`: the domain of
    another owner. Raises `ValueError` for an address that cannot be mailed to from here.
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
        raise ValidationError("Before the @ only ASCII characters can be used: mail to others cannot be delivered.")
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
    """Refuses characters that cannot be seen: they break a line of a mail, or show a text in another order.

    Raises `ValidationError` with a sentence.
    """
    if any(unicodedata.category(character) in INVISIBLE and character not in JOINERS for character in text):
        raise ValidationError("Control characters and invisible characters cannot be used here.")


class AddressField(forms.EmailField):
    """An address as given, that mail can be sent to."""

    default_validators = [validate_address]


class NormalisedEmailField(models.EmailField):
    """Normalises on the way in and in every look-up, `QuerySet.update` and `bulk_create` included.

    The address as given, to send to, is kept in the model's field of this name and `_as_given`, which must come
    after this one: it follows at `full_clean`, `save` and `bulk_create`.
    """

    # Of the address as given, by `clean`: what is normalised can be good although what was given is not.
    default_validators = []

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return normalise(value) if isinstance(value, str) else value

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        """The normalised address; without an instance to keep it in, the address as given."""
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
        # A row that was read says nothing new: it holds the normalised address, in which the spelling is lost.
        name = f"{self.attname}_as_given"
        kept = getattr(model_instance, name, "")
        if isinstance(given, str) and not given == normalise(given) == normalise(kept):
            setattr(model_instance, name, as_given(given))

    def formfield(self, **options: Any) -> Any:
        return super().formfield(**{"form_class": AddressField, **options})

"""How a person signs in, in a real browser with its virtual authenticator."""

from __future__ import annotations

import base64
import hmac
import re
import struct
import time

import pytest
from playwright.sync_api import Page, expect

from tests import oidc_stand
from tests.e2e.conftest import Visitor
from tests.fakes.oidc_provider import PASSWORD as PASSWORD_ELSEWHERE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
PASSWORD = "a long enough password"
HOME = re.compile(r"/t/[^/]+/$")


def totp(secret: str) -> str:
    """Return the code of now (RFC 6238), never one that ends within the next seconds."""
    left = 30 - time.time() % 30
    if left < 4:
        time.sleep(left)
    digest = hmac.new(base64.b32decode(secret), struct.pack(">Q", int(time.time() // 30)), "sha1")
    hashed = digest.digest()
    start = hashed[-1] & 15
    number = struct.unpack(">I", hashed[start : start + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def send(page: Page, **fields: str) -> None:
    """Fill fields by name and press the button of their form."""
    for name, text in fields.items():
        page.fill(f"input[name={name}]", text)
    page.click(f"form:has(input[name={next(iter(fields))}]) button[type=submit]")


def sign_up(visitor: Visitor, email: str) -> None:
    visitor.go("/accounts/signup/")
    send(visitor.page, email=email, password1=PASSWORD)
    visitor.page.wait_for_selector("input[name=code]")
    visitor.shot("identity-code")
    send(visitor.page, code=visitor.code_from_mail(email))
    visitor.page.wait_for_url(HOME)


def sign_out(visitor: Visitor) -> None:
    visitor.go("/accounts/logout/")
    visitor.page.click("main form button[type=submit]")
    visitor.page.wait_for_url("**/accounts/login/")


def virtual_authenticator(page: Page) -> None:
    """Give the browser a fingerprint reader that always recognises its person."""
    tools = page.context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def test_a_person_signs_up_by_code_and_in_by_passkey_app_and_recovery_code(
    visitor: Visitor,
) -> None:
    page, email = visitor.page, "petra@larkspur-home.com"
    virtual_authenticator(page)
    sign_up(visitor, email)
    page.click("aside a[href='/accounts/email/']")
    visitor.shot("identity-profile")

    # A passkey, made and used.
    page.click("nav a[href='/accounts/2fa/webauthn/']")
    visitor.shot("identity-passkeys-empty")
    page.click("main a[href='/accounts/2fa/webauthn/add/']")
    page.fill("input[name=name]", "Petra's laptop")
    visitor.shot("identity-passkey-add")
    page.click("#mfa_webauthn_add")
    page.wait_for_selector("#recovery-codes")
    visitor.shot("identity-recovery-codes")
    codes = page.inner_text("#recovery-codes").split()
    assert len(codes) == 10
    visitor.go("/accounts/2fa/recovery-codes/")
    assert codes[0] not in page.content(), "recovery codes are shown once"
    visitor.go("/accounts/2fa/webauthn/")
    expect(page.get_by_text("Petra's laptop")).to_be_visible()
    visitor.shot("identity-passkeys")
    sign_out(visitor)
    visitor.shot("identity-sign-in")
    page.click("#passkey_login")
    page.wait_for_url(HOME)

    # An authenticator app, then the second step with its code.
    visitor.go("/accounts/2fa/totp/activate/")
    visitor.shot("identity-app-set-up")
    secret = page.inner_text("#totp-key").strip()
    send(page, code=totp(secret))
    page.wait_for_url("**/accounts/2fa/")
    visitor.shot("identity-second-factor")
    sign_out(visitor)
    send(page, login=email, password=PASSWORD)
    page.wait_for_url("**/accounts/2fa/authenticate/")
    visitor.shot("identity-second-step")
    send(page, code="000000")
    expect(page.get_by_text("This code is wrong")).to_be_visible()
    send(page, code=totp(secret))
    page.wait_for_url(HOME)

    # A recovery code, and the same one again: it works once.
    for attempt in (1, 2):
        sign_out(visitor)
        send(page, login=email, password=PASSWORD)
        page.wait_for_url("**/accounts/2fa/authenticate/")
        send(page, code=codes[0])
        if attempt == 1:
            page.wait_for_url(HOME)
    expect(page.get_by_text("This code is wrong")).to_be_visible()

    # A passkey as the second step.
    page.click("#mfa_webauthn_authenticate")
    page.wait_for_url(HOME)
    visitor.go("/accounts/sessions/")
    expect(page.get_by_text("Chrome on Linux")).to_be_visible()
    visitor.shot("identity-devices")


def test_a_person_signs_in_by_a_provider_and_comes_to_the_same_account(visitor: Visitor) -> None:
    page, email = visitor.page, "mara.li@larkspur-home.com"
    setting = visitor.site.place.env["OIDC_PROVIDERS"]
    button = f"Continue with {oidc_stand.NAME}"
    sign_up(visitor, email)
    workspace = page.url
    sign_out(visitor)
    with oidc_stand.provider(setting, site_url=visitor.site.url, email=email) as elsewhere:
        page.get_by_role("button", name=button).click()
        page.wait_for_url(f"{elsewhere}/accounts/login/**")
        send(page, login=email, password=PASSWORD_ELSEWHERE)
        page.wait_for_url(f"{elsewhere}/identity/o/authorize**")
        page.get_by_role("button", name="Authorize").click()
        page.wait_for_url(HOME)
        assert page.url == workspace, "a trusted provider's address opens the account it belongs to"
        visitor.go("/accounts/3rdparty/")
        visitor.shot("identity-connections")
        expect(page.get_by_text(email).first).to_be_visible()
    sign_out(visitor)
    page.get_by_role("button", name=button).click()
    expect(page.get_by_text("does not answer")).to_be_visible()


def test_where_passkeys_are_impossible_the_page_says_so(visitor: Visitor) -> None:
    page = visitor.page
    page.add_init_script("delete navigator.credentials.__proto__.get")
    visitor.go("/accounts/login/")
    page.click("#passkey_login")
    expect(page.get_by_text("Passkeys do not work here")).to_be_visible()

"""The door for Stripe's events: verify, store once, answer; the work is a task's."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing import gateway, services
from modelyard.core.errors import DomainError, NotFound
from modelyard.core.http import problem


@csrf_exempt
@require_POST
def stripe_webhook(request: HttpRequest) -> HttpResponse:
    """Take an event: 200 when it is stored, 400 for a forged or old signature."""
    try:
        if settings.BILLING == "off":
            raise NotFound(_("This site takes no payments."), code="no_billing")
        signature = request.headers.get("Stripe-Signature", "")
        event = gateway.event_construct(request.body, signature)
    except DomainError as error:
        body = problem.document(request, error)
        return JsonResponse(body, status=error.status, content_type=problem.CONTENT_TYPE)
    services.event_store(event)
    return JsonResponse({"received": True})

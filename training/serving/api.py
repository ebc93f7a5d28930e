"""API of deployments and of predictions."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from modelyard.core.errors import Invalid, Unauthenticated
from modelyard.core.http.pagination import Pages
from modelyard.core.http.serializers import BodySerializer, unknown_field
from tenants import access, keys
from tenants.access import Actor
from tenants.api_base import TenantApiView
from tenants.http import actor_of, key_in, plain
from tenants.limits import gate
from training.serving import asking, selectors, services
from training.serving.door import MAX_TEXTS, Answer
from training.serving.rebuild import Caller
from training.serving.types import DeploymentFacts


class DeploymentIn(BodySerializer):
    """What to deploy, and under which name."""

    name = serializers.CharField(max_length=63, help_text="Lower-case letters, digits, hyphens.")
    version_id = serializers.UUIDField(help_text="A verified model version.")


class DeploymentOut(serializers.Serializer[Any]):
    """A deployment; `error_code` and `error` say why one failed."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    status = serializers.CharField()
    model_id = serializers.UUIDField()
    model_name = serializers.CharField()
    version_id = serializers.UUIDField()
    version = serializers.IntegerField()
    error_code = serializers.CharField()
    error = serializers.CharField()
    created_at = serializers.DateTimeField()
    live_at = serializers.DateTimeField(allow_null=True)
    predict_url = serializers.SerializerMethodField()

    def get_predict_url(self, facts: DeploymentFacts) -> str:
        """Return where to send texts."""
        return predict_url(facts.name)


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MAX_TEXTS},
        ]
    }
)
class InputsField(serializers.JSONField):
    """One text, or a list of them."""


class PredictIn(BodySerializer):
    """One text or up to 128; read by `_texts`, which has a sentence for each mistake."""

    inputs = InputsField()


class PredictionOut(serializers.Serializer[object]):
    """What the model says of one text."""

    label = serializers.CharField()  # type: ignore[assignment]  # DRF's word
    score = serializers.FloatField()
    scores = serializers.DictField(child=serializers.FloatField())
    truncated = serializers.BooleanField(help_text="The text's end was cut off before reading.")


class CountedOut(serializers.Serializer[object]):
    """What was counted."""

    predictions = serializers.IntegerField()
    tokens = serializers.IntegerField()


class TimingsOut(serializers.Serializer[object]):
    """Where the time went."""

    model = serializers.FloatField()
    total = serializers.FloatField()


class PredictOut(serializers.Serializer[object]):
    """An answer; `request_id` is the id of its line in the ledger."""

    request_id = serializers.CharField()
    deployment = serializers.CharField()
    model_version = serializers.UUIDField()
    predictions = PredictionOut(many=True)
    usage = CountedOut()
    timings_ms = TimingsOut()


def predict_url(name: str) -> str:
    """Return the absolute address of a deployment's predictions."""
    return f"{settings.SITE_URL}{reverse('api:deployment-predict', args=[name])}"


class DeploymentList(TenantApiView):
    """The workspace's deployments."""

    permissions = {"GET": "deployments.read", "POST": "deployments.write"}

    @extend_schema(
        operation_id="deployments_list",
        responses=DeploymentOut(many=True),
        summary="List deployments",
    )
    def get(self, request: Request) -> Response:
        """Return a page of deployments, newest first."""
        pages = Pages()
        rows = pages.paginate_queryset(selectors.deployment_list(), request, view=self)
        facts = [selectors.facts_of(row) for row in rows or []]
        return pages.get_paginated_response(DeploymentOut(facts, many=True).data)

    @extend_schema(
        operation_id="deployments_create",
        request=DeploymentIn,
        responses={202: DeploymentOut},
        summary="Deploy a model version; poll until its status is `live`",
    )
    def post(self, request: Request) -> Response:
        """Deploy a version; a stopped or failed name is taken up again."""
        given = DeploymentIn(data=request.data)
        given.is_valid(raise_exception=True)
        facts = services.deployment_create(actor=actor_of(request), **given.validated_data)
        return Response(DeploymentOut(facts).data, status=202)


class DeploymentDetail(TenantApiView):
    """One deployment."""

    permissions = {"GET": "deployments.read", "DELETE": "deployments.write"}

    @extend_schema(
        operation_id="deployments_get", responses=DeploymentOut, summary="Get a deployment"
    )
    def get(self, request: Request, name: str) -> Response:
        """Return the deployment."""
        return Response(DeploymentOut(selectors.facts_of(selectors.deployment_get(name))).data)

    @extend_schema(
        operation_id="deployments_stop",
        responses={202: DeploymentOut},
        summary="Stop a deployment; requests under way are answered",
    )
    def delete(self, request: Request, name: str) -> Response:
        """Stop it: the next request is refused. The name may be deployed again."""
        facts = services.deployment_stop(actor=actor_of(request), name=name)
        return Response(DeploymentOut(facts).data, status=202)


class Predict(TenantApiView):
    """The hot path: no query, no transaction, one call of the door."""

    own_door = True
    long_lived = True
    public = True  # The door checks the key; the caller of a page is checked in `_caller`.

    @extend_schema(
        operation_id="deployments_predict",
        request=PredictIn,
        parameters=[
            OpenApiParameter(
                "Idempotency-Key",
                OpenApiTypes.STR,
                OpenApiParameter.HEADER,
                description="A repeat within 10 minutes gets the stored answer and counts once.",
            )
        ],
        responses=PredictOut,
        summary="Classify texts",
    )
    def post(self, request: Request, name: str) -> Response:
        """Answer `{"inputs": "a text" | ["up to", "128"]}`."""
        answer = asking.ask(
            caller=_caller(request),
            name=name,
            texts=_texts(request.data),
            idempotency_key=request.headers.get("Idempotency-Key"),
        )
        headers = {"Idempotent-Replay": "true"} if answer.replayed else None
        return Response(_body(name, answer), headers=headers)


def _caller(request: Request) -> Caller:
    inner, actor = plain(request), request.auth
    if isinstance(actor, Actor):
        access.require(actor, "predict")
        return Caller(tenant_id=actor.tenant_id, on_rate=partial(gate.note, inner))
    text = key_in(inner)
    if not text:
        raise Unauthenticated(
            _("Send an API key: `Authorization: Bearer mdy_...`. Make one under API keys.")
        )
    if keys.public_id_of(text) is None:
        raise Unauthenticated(
            _("This is not a whole API key: check that all of it was copied."), code="key_invalid"
        )
    address = inner.META.get("REMOTE_ADDR", "")
    return Caller(key_text=text, address=address, on_rate=partial(gate.note, inner))


def _texts(body: Any) -> list[str]:
    """Return the texts of a request's body.

    Raises:
        DomainError: With the sentence that says what the body must be.
    """
    if not isinstance(body, dict) or "inputs" not in body:
        raise _wrong(_('Send a JSON object such as {"inputs": ["a text", "another"]}.'))
    refusal = unknown_field(body, ["inputs"])
    if refusal is not None:
        raise refusal
    inputs = body["inputs"]
    if isinstance(inputs, str):
        return [inputs]
    if not isinstance(inputs, list):
        raise _wrong(_("`inputs` must be a text or a list of texts."))
    for number, text in enumerate(inputs, start=1):
        if not isinstance(text, str):
            raise _wrong(
                _("Input %(number)d is not a text; put it in quotes.") % {"number": number}
            )
    return inputs


def _wrong(sentence: object) -> Invalid:
    return Invalid(
        sentence, code="inputs_invalid", fields=[{"field": "inputs", "message": str(sentence)}]
    )


def _body(name: str, answer: Answer) -> dict[str, object]:
    return {
        "request_id": answer.request_id,
        "deployment": name,
        "model_version": answer.version_id,
        "predictions": answer.predictions,
        "usage": {"predictions": len(answer.predictions), "tokens": answer.tokens},
        "timings_ms": {"model": answer.run_ms, "total": answer.total_ms},
    }

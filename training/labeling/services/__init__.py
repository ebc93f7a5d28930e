"""Writes of labelling: projects, leases, answers and their undo, suggestions, freezing."""

from training.labeling.services.answers import annotation_submit, annotation_undo, task_skip
from training.labeling.services.freezing import labels_freeze
from training.labeling.services.leases import lease_next, lease_renew
from training.labeling.services.projects import project_create, project_move, skipped_reopen
from training.labeling.services.suggestions import (
    suggestion_problem,
    suggestion_record,
    suggestions_from,
)

__all__ = [
    "annotation_submit",
    "annotation_undo",
    "labels_freeze",
    "lease_next",
    "lease_renew",
    "project_create",
    "project_move",
    "skipped_reopen",
    "suggestion_problem",
    "suggestion_record",
    "suggestions_from",
    "task_skip",
]

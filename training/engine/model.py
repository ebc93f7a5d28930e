"""Base model plus fresh head: full fine-tuning or LoRA, loaded from a local folder only."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from training.engine.errors import SpecError
from training.engine.spec import TrainSpec


@dataclass(frozen=True)
class Built:
    """A model ready to train; `head` are the names of its freshly made modules."""

    model: Any
    head: tuple[str, ...]


def max_positions(folder: Path) -> int | None:
    """Return how many tokens the model can take, or None without a limit."""
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    positions = getattr(config, "max_position_embeddings", None)
    if positions is None:
        return None
    # RoBERTa's family numbers positions from the padding id + 1.
    offset = config.pad_token_id + 1 if config.model_type in _OFFSET_FAMILIES else 0
    return int(positions) - offset


_OFFSET_FAMILIES = ("roberta", "xlm-roberta", "camembert")


def build(folder: Path, labels: list[str], spec: TrainSpec) -> Built:
    """Load the base in fp32 with a head of `len(labels)` outputs.

    The head is drawn from torch's global generator: seed it first. Attention is "eager":
    on CPU the backward of the fused kernel is slower in bf16.

    Raises:
        SpecError: the architecture cannot classify sequences, or cannot take adapters.
    """
    try:
        model, info = AutoModelForSequenceClassification.from_pretrained(
            folder,
            num_labels=len(labels),
            id2label=dict(enumerate(labels)),
            label2id={label: place for place, label in enumerate(labels)},
            problem_type="single_label_classification",
            attn_implementation="eager",
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except (ValueError, OSError) as exc:
        raise SpecError("base_unsupported", f"The base model cannot be loaded: {exc}") from exc
    fresh = {*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])}
    head = tuple(sorted({key.rsplit(".", 1)[0] for key in fresh}))
    if spec.method == "lora":
        model = _with_adapters(model, head, spec)
    if spec.freeze_embeddings:
        model.get_input_embeddings().weight.requires_grad_(requires_grad=False)
    return Built(model=model, head=head)


def merged(model: Any) -> Any:
    """Return a plain transformers model: adapters are added into the weights."""
    return model.merge_and_unload() if hasattr(model, "merge_and_unload") else model


def trainable(model: Any) -> dict[str, torch.nn.Parameter]:
    """Return the parameters that learn, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def parameter_groups(built: Built, spec: TrainSpec, learning_rate: float) -> list[dict[str, Any]]:
    """Split the parameters in four: body or head rate, matrices (decayed) or vectors (not)."""
    groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in trainable(built.model).items():
        in_head = any(f".{module}." in f".{name}" for module in built.head)
        groups.setdefault((in_head, parameter.ndim >= 2), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": learning_rate * (spec.head_rate_multiplier if in_head else 1.0),
            "weight_decay": spec.weight_decay if is_matrix else 0.0,
        }
        for (in_head, is_matrix), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


def _with_adapters(model: Any, head: tuple[str, ...], spec: TrainSpec) -> Any:
    from peft import LoraConfig, get_peft_model

    # The pooler was made for another task; with few trained weights it must be free to move.
    poolers = [name for name, _ in model.named_modules() if name.rsplit(".", 1)[-1] == "pooler"]
    config = LoraConfig(
        r=spec.lora_r,
        lora_alpha=spec.lora_alpha,
        lora_dropout=spec.lora_dropout,
        modules_to_save=sorted({name.split(".")[0] for name in head} | set(poolers)),
        task_type="SEQ_CLS",
    )
    try:
        return get_peft_model(model, config)
    except ValueError as exc:
        raise SpecError(
            "lora_unsupported", f"LoRA does not know this architecture: {exc}. Use “full”."
        ) from exc

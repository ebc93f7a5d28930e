"""A random BERT of two layers, made in milliseconds: enough to learn a rule of words."""

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertModel, BertTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def make_tiny_bert(
    folder: Path, texts: Iterable[str], *, layers: int = 2, width: int = 32, seed: int = 0
) -> Path:
    """Write a base model in the Hugging Face layout whose vocabulary covers `texts`."""
    folder.mkdir(parents=True, exist_ok=True)
    words = sorted({word for text in texts for word in text.lower().split()})
    characters = sorted({char for word in words for char in word})
    tokens = dict.fromkeys([*SPECIAL, *characters, *(f"##{char}" for char in characters), *words])
    vocabulary = {token: number for number, token in enumerate(tokens)}
    backend = BertWordPieceTokenizer(vocab=vocabulary, lowercase=True)
    tokenizer = BertTokenizerFast(tokenizer_object=backend._tokenizer, model_max_length=64)
    tokenizer.save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=2,
            intermediate_size=2 * width,
            max_position_embeddings=64,
            initializer_range=0.2,
        )
        BertModel(config).save_pretrained(folder)
    return folder

"""What the three graphs of the transformer checkpoint have in common: sizes, and the keys that inference never reads."""

from dataclasses import dataclass
from typing import Any

# 629 M parameters of cross-attention that the reference's attention processor never touches, and the training-only
# projectors to self-supervised features.
UNUSED = (".cross_attn.add_", ".cross_attn.to_add_out", "projectors.")

# Entropy-rectifying guidance multiplies the queries of these blocks by 0.01 in its weakened pass. The self-attention
# of the same blocks is linear and does not feel a scaled query, so only cross-attention needs the factor.
ERG_BLOCKS = range(15, 20)
ERG_LYRIC_LAYERS = (4, 5)


@dataclass(frozen=True)
class Sizes:
    heads: int
    head: int
    layers: int
    feed_forward: int
    channels: int
    rows: int
    early: int
    text: int
    speaker: int
    lyric: int
    vocabulary: int
    lyric_heads: int
    lyric_feed_forward: int
    lyric_layers: int
    rope_theta: float

    @property
    def width(self) -> int:
        return self.heads * self.head

    @classmethod
    def of(cls, config: dict[str, Any]) -> "Sizes":
        # The lyric encoder and the first convolution are constructor defaults of the official class, not configuration.
        lyric = config.get("tiny_lyric_encoder", {"attention_heads": 16, "linear_units": 4096, "num_blocks": 6})
        return cls(
            heads=config["num_attention_heads"],
            head=config["attention_head_dim"],
            layers=config["num_layers"],
            feed_forward=int(config["num_attention_heads"] * config["attention_head_dim"] * config["mlp_ratio"]),
            channels=config["in_channels"],
            rows=config["patch_size"][0],
            early=config.get("early_channels", 2048),
            text=config["text_embedding_dim"],
            speaker=config["speaker_embedding_dim"],
            lyric=config["lyric_hidden_size"],
            vocabulary=config["lyric_encoder_vocab_size"],
            lyric_heads=lyric["attention_heads"],
            lyric_feed_forward=lyric["linear_units"],
            lyric_layers=lyric["num_blocks"],
            rope_theta=config["rope_theta"],
        )

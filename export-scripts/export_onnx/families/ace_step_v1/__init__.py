"""ACE-Step v1 in its official folder layout, of any size: the 3.5B model and the tiny ones of tests alike."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...pack import Graph, Pack, Sizes, normal
from ...safetensors import SafeTensors
from ...trace import Dim
from . import dcae, tables, text_encoder, transformer, vocoder
from .condition_encoder import ConditionEncoder
from .cross_kv import CrossKV
from .denoiser import Denoiser

TRANSFORMER, DCAE, VOCODER, TEXT = (
    "ace_step_transformer/diffusion_pytorch_model.safetensors",
    "music_dcae_f8c8/diffusion_pytorch_model.safetensors",
    "music_vocoder/diffusion_pytorch_model.safetensors",
    "umt5-base/model.safetensors",
)
LAYOUT = "ace_step_transformer/config.json"
TOKENIZER = "umt5-base/tokenizer.json"
PATCH_KEY = "proj_in.early_conv_layers.0.weight"  # its first size is in no configuration file

# 4 bits ruin the codec (vocoder: relative error 0.39 on random weights) and save little there: fp16 at least.
CODEC = ("fp16", "bf16", "fp32")
MATRICES = ("fp16", "q8", "q4f16", "q4f32", "bf16", "fp32")

# Parameters that keep 8 bits in 4-bit variants, and their activations more than that in q8. Cross-attention reads the residual
# without a norm and is added without a gate, and the modulation steers every block: on seeded weights of full width they
# make 99 % of the error of 4 bits. Graphs that run once a song gain little by coarser numbers.
SENSITIVE = ("cross_q", "cross_out", "time", "modulation", "proj", "final")
EVERYTHING = ("",)

# Sizes of ACE-Step v1-3.5B, for exports that have no checkpoint at hand.
OFFICIAL: dict[str, dict[str, Any]] = {
    TRANSFORMER: {
        "num_attention_heads": 20, "attention_head_dim": 128, "num_layers": 24, "mlp_ratio": 2.5, "text_embedding_dim": 768,
        "speaker_embedding_dim": 512, "lyric_hidden_size": 1024, "lyric_encoder_vocab_size": 6693, "early_channels": 2048,
        "in_channels": 8, "patch_size": [16, 1], "rope_theta": 1e6,
    },
    DCAE: {
        "in_channels": 2, "latent_channels": 8, "attention_head_dim": 32,
        "encoder_block_types": ["ResBlock", "ResBlock", "ResBlock", "EfficientViTBlock"],
        "decoder_block_types": ["ResBlock", "ResBlock", "ResBlock", "EfficientViTBlock"],
        "encoder_block_out_channels": [128, 256, 512, 1024], "decoder_block_out_channels": [128, 256, 512, 1024],
        "encoder_layers_per_block": [2, 2, 3, 3], "decoder_layers_per_block": [3, 3, 3, 3],
    },
    VOCODER: {
        "input_channels": 128, "depths": [3, 3, 9, 3], "dims": [128, 256, 384, 512], "kernel_sizes": [7], "num_mels": 512,
        "upsample_initial_channel": 1024, "pre_conv_kernel_size": 13, "post_conv_kernel_size": 13,
        "upsample_rates": [4, 4, 2, 2, 2, 2, 2], "upsample_kernel_sizes": [8, 8, 4, 4, 4, 4, 4],
        "resblock_kernel_sizes": [3, 7, 11, 13], "resblock_dilation_sizes": [[1, 3, 5]] * 4,
    },
    TEXT: {
        "d_model": 768, "d_kv": 64, "num_heads": 12, "num_layers": 12, "d_ff": 2048, "vocab_size": 256384,
        "relative_attention_num_buckets": 32, "relative_attention_max_distance": 128,
    },
}  # fmt: skip
OFFICIAL_REPO = "ACE-Step/ACE-Step-v1-3.5B"
OFFICIAL_ID = "ace-step-v1-3.5b"

# Defaults of the official pipeline's __call__ (SPEC 5.1); interval, decay and the rest are its names in our words.
SAMPLING = {
    "steps": 60,
    "solver": "euler",
    "omega": 10,
    "guidance": {
        "type": "apg", "scale": 15, "textScale": 0, "lyricScale": 0, "interval": 0.5, "decay": 0, "minScale": 3,
    },
    "erg": {"tag": True, "lyric": False, "diffusion": True},
    "ossSteps": [],
}  # fmt: skip
PRESETS = {"Standard": {"steps": 60}, "Draft": {"steps": 27}, "High": {"steps": 100}}


# Where the official files lie: sizes and hashes as the host publishes them (its LFS object ids), of the revision that the
# address names. The lyric vocabulary belongs to the official code; its copies differ in their line ends, so it is hashed
# with LF alone.
OFFICIAL_REVISION = "82cd0d7b6322bd28cd4e830fe675ddb6180ce36c"
OFFICIAL_SOURCES: dict[str, Any] = {
    "schema": 1,
    "base": f"https://huggingface.co/{OFFICIAL_REPO}/resolve/{OFFICIAL_REVISION}/",
    "files": [
        {
            "path": TRANSFORMER, "bytes": 6_611_422_728,
            "sha256": "e810f16728d8a2e0d1b9c3a907aac8c9a427ce38edbd890cb3dce5ff92da5aad",
        },
        {
            "path": DCAE, "bytes": 313_646_516,
            "sha256": "2b0cb469307ac50659d1880db2a99bae47d0df335cbb36853964662d4b80e8ee",
        },
        {
            "path": VOCODER, "bytes": 206_350_988,
            "sha256": "c92c9b46e28ab7b37b777780cf4308ad7ddac869636bb77aa61599358c4bc1c0",
        },
        {
            "path": TEXT, "bytes": 1_127_460_248,
            "sha256": "779cec0d210b2123e21d0a9cd8128f02b4d412627355028965a8be0b241cc3b6",
        },
        {
            "path": TOKENIZER, "bytes": 16_837_459, "as": "tokenizer",
            "sha256": "20a46ac256746594ed7e1e3ef733b83fbc5a6f0922aa7480eda961743de080ef",
        },
        {
            "path": "lyric-vocab.json", "bytes": 364_005, "as": "lyric_vocab", "text": True,
            "sha256": "c2a66ea48c478c0bb9acb5497144b926acdeaa37128faa799508d40f2b9cc558",
            "url": "https://raw.githubusercontent.com/ace-step/ACE-Step/1bee4c9f5b43e30995f8d4d33b3919197ce1bd68/"
                   "acestep/models/lyrics_utils/vocab.json",
        },
    ],
}  # fmt: skip


def recognises(folder: Path) -> bool:
    return (folder / LAYOUT).exists()


def pack(folder: Path) -> Pack:
    """The pack of a checkpoint folder. Only the four config.json and one tensor's shape are read."""
    configs = {file: json.loads((folder / file).with_name("config.json").read_text()) for file in OFFICIAL}
    configs[TRANSFORMER]["early_channels"] = SafeTensors(folder / TRANSFORMER).shapes[PATCH_KEY][0]
    official = all(configs[file].get(key) == value for file, config in OFFICIAL.items() for key, value in config.items()
                   if key != "rope_theta")  # fmt: skip
    return make_pack(configs, OFFICIAL_ID if official else "ace-step-v1-local")


def official_pack() -> Pack:
    """The 3.5B model from its published sizes, without a checkpoint."""
    return make_pack(OFFICIAL, OFFICIAL_ID)


def make_pack(configs: Mapping[str, dict[str, Any]], pack_id: str) -> Pack:
    t, d = configs[TRANSFORMER], configs[DCAE]
    text = configs[TEXT]
    sizes = transformer.Sizes.of(t)
    return Pack(
        id=pack_id,
        family="ace-step-v1",
        title="ACE-Step v1 3.5B" if pack_id == OFFICIAL_ID else "ACE-Step v1, another size",
        description="Songs with vocals from a style prompt and lyrics, up to four minutes, in 17 languages.",
        license="Apache-2.0",
        repo=OFFICIAL_REPO if pack_id == OFFICIAL_ID else "local",
        revision=OFFICIAL_REVISION if pack_id == OFFICIAL_ID else "unknown",
        config={
            "sampleRate": 44100,
            "outputRate": 48000,
            "hop": 512,
            "framesPerLatent": 8,
            "channels": sizes.channels,
            "rows": sizes.rows,
            "heads": sizes.heads,
            "headDim": sizes.head,
            "ropeTheta": sizes.rope_theta,
            "speakerSize": sizes.speaker,
            "shift": 3,
            "text": {
                "tokenizer": "unigram",
                "maxTokens": 256,
                "buckets": text["relative_attention_num_buckets"],
                "maxDistance": text["relative_attention_max_distance"],
            },
            "lyrics": {"hidden": sizes.lyric},
            "planner": False,
            "melRange": {"min": -11, "max": 3},
            "latent": {"shift": -1.9091, "scale": 0.1786},
            "vocoder": "waveform",
            "window": {"latents": 256, "overlap": 128},
            "seconds": {"min": 1, "max": 240, "default": 60},
            "sampling": SAMPLING,
            "presets": PRESETS,
        },
        files={"tokenizer": TOKENIZER},
        unused={TRANSFORMER: transformer.UNUSED, TEXT: text_encoder.UNUSED, VOCODER: vocoder.UNUSED},
        graphs=(
            Graph(
                name="text_encoder", file=TEXT, build=partial(text_encoder.TextEncoder, text),
                example=partial(_text_example, text),
                dynamic={"input_ids": {1: Dim("L")}, "rel_bucket": {0: Dim("L"), 1: Dim("L")}},
                outputs=("text",), precisions=MATRICES, sensitive=EVERYTHING,
            ),
            Graph(
                name="condition_encoder", file=TRANSFORMER, build=partial(ConditionEncoder, t),
                example=partial(_condition_example, sizes),
                dynamic={"text": {1: Dim("L")}, "lyric_ids": {1: Dim("M")}, "rel_pos": {1: 2 * Dim("M") - 1}},
                outputs=("condition",), precisions=MATRICES, sensitive=EVERYTHING,
            ),
            Graph(
                name="cross_kv", file=TRANSFORMER, build=partial(CrossKV, t), example=partial(_cross_example, sizes),
                dynamic={name: {axis: Dim("N")} for name, axis in (("condition", 1), ("rope_cos", 0), ("rope_sin", 0))},
                outputs=("k", "v"), keep=("k", "v"), precisions=MATRICES, sensitive=EVERYTHING,
            ),
            Graph(
                name="denoiser", file=TRANSFORMER, build=partial(Denoiser, t), example=partial(_denoiser_example, sizes),
                dynamic={
                    "latents": {3: Dim("T")}, "k": {3: Dim("N")}, "v": {2: Dim("N")},
                    "rope_cos": {0: Dim("T")}, "rope_sin": {0: Dim("T")},
                },
                outputs=("velocity",), precisions=MATRICES, sensitive=SENSITIVE,
            ),
            Graph(
                name="dcae_encoder", file=DCAE, build=partial(dcae.DcaeEncoder, d),
                example=lambda s, g: {"mel": normal(g, 1, 2, 128, 8 * s["T"]) * 0.3},
                dynamic={"mel": {3: 8 * Dim("T")}}, outputs=("z",), precisions=CODEC,
            ),
            Graph(
                name="dcae_decoder", file=DCAE, build=partial(dcae.DcaeDecoder, d),
                example=lambda s, g: {"z": normal(g, 1, d["latent_channels"], 16, s["T"])},
                dynamic={"z": {3: Dim("T")}}, outputs=("mel",), precisions=CODEC,
            ),
            Graph(
                name="vocoder", file=VOCODER, build=partial(vocoder.Vocoder, configs[VOCODER]),
                example=lambda s, g: {"mel": normal(g, 1, 128, s["F"])},
                dynamic={"mel": {2: Dim("F")}}, outputs=("waveform",), precisions=CODEC,
                narrow="f16",  # folded weight norms are no longer bfloat16 values: relative error 1e-2 if rounded again
            ),
        ),
    )  # fmt: skip


def _text_example(config: dict[str, Any], sizes: Sizes, g: torch.Generator) -> dict[str, Tensor]:
    length = sizes["L"]
    return {
        "input_ids": torch.randint(2, config["vocab_size"], (1, length), generator=g),
        "rel_bucket": tables.relative_buckets(length, config["relative_attention_num_buckets"]),
        "erg_scale": torch.ones(()),
    }


def _condition_example(s: transformer.Sizes, sizes: Sizes, g: torch.Generator) -> dict[str, Tensor]:
    return {
        "text": normal(g, 1, sizes["L"], s.text),
        "lyric_ids": torch.randint(3, s.vocabulary, (1, sizes["M"]), generator=g),
        "rel_pos": tables.lyric_positions(sizes["M"], s.lyric),
        "speaker": normal(g, 1, s.speaker),
        "erg_scale": torch.ones(()),
    }


def _cross_example(s: transformer.Sizes, sizes: Sizes, g: torch.Generator) -> dict[str, Tensor]:
    cos, sin = tables.rope(sizes["N"], s.head, s.rope_theta)
    return {"condition": normal(g, 1, sizes["N"], s.width), "rope_cos": cos, "rope_sin": sin}


def _denoiser_example(s: transformer.Sizes, sizes: Sizes, g: torch.Generator) -> dict[str, Tensor]:
    cos, sin = tables.rope(sizes["T"], s.head, s.rope_theta)
    return {
        "latents": normal(g, 1, s.channels, s.rows, sizes["T"]),
        "time_features": tables.timestep_features([500.0]),
        "k": normal(g, s.layers, s.heads, s.head, sizes["N"]) * s.head**-0.5,
        "v": normal(g, s.layers, s.heads, sizes["N"], s.head),
        "rope_cos": cos,
        "rope_sin": sin,
        "erg_scale": torch.ones(()),
    }

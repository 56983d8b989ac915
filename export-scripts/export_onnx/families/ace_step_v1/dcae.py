"""Graphs dcae_encoder and dcae_decoder: log-mel pictures <-> latents (AutoencoderDC, f8c8)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...net import Net
from .layers import linear_attention


class Conv(Net):
    """Conv2d that keeps the size (or halves it, stride 2)."""

    def __init__(
        self,
        key: str,
        inputs: int,
        outputs: int,
        kernel: int,
        dtype: torch.dtype,
        bias: bool = True,
        stride: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__(dtype)
        self.options = {"stride": stride, "padding": kernel // 2, "groups": groups}
        self.weight("w", (outputs, inputs // groups, kernel, kernel), f"{key}.weight")
        if bias:
            self.weight("b", (outputs,), f"{key}.bias")
        else:
            self.b = None

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.w, self.b, **self.options)


class RmsNorm2d(Net):
    """Over the channels of each pixel, with scale and shift, in float32."""

    def __init__(self, key: str, channels: int, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        self.weight("w", (channels, 1, 1), f"{key}.weight", exact=True)
        self.weight("b", (channels, 1, 1), f"{key}.bias", exact=True)

    def forward(self, x: Tensor) -> Tensor:
        y = x.float()
        y = y / torch.sqrt((y * y).mean(1, keepdim=True) + 1e-5)
        return (y * self.w + self.b).to(self.dtype)


class ResBlock(Net):
    def __init__(self, key: str, channels: int, head: int, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        self.conv1 = Conv(f"{key}.conv1", channels, channels, 3, dtype)
        self.conv2 = Conv(f"{key}.conv2", channels, channels, 3, dtype, bias=False)
        self.norm = RmsNorm2d(f"{key}.norm", channels, dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv2(F.silu(self.conv1(x)))) + x


class EfficientViTBlock(Net):
    """Multi-scale linear attention over all pixels, then a gated convolution."""

    def __init__(self, key: str, channels: int, head: int, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        n, attention, gated = channels, f"{key}.attn.", f"{key}.conv_out."
        self.head = head
        self.weight("qkv_w", (3 * n, n, 1, 1), [f"{attention}to_{x}.weight" for x in "qkv"])
        scale = f"{attention}to_qkv_multiscale.0."
        self.local = Conv(f"{scale}proj_in", 3 * n, 3 * n, 5, dtype, bias=False, groups=3 * n)
        self.mixed = Conv(f"{scale}proj_out", 3 * n, 3 * n, 1, dtype, bias=False, groups=3 * n // head)
        self.weight("out_w", (n, 2 * n, 1, 1), f"{attention}to_out.weight")
        self.norm1 = RmsNorm2d(f"{attention}norm_out", n, dtype)
        self.inverted = Conv(f"{gated}conv_inverted", n, 8 * n, 1, dtype)
        self.depth = Conv(f"{gated}conv_depth", 8 * n, 8 * n, 3, dtype, groups=8 * n)
        self.point = Conv(f"{gated}conv_point", 4 * n, n, 1, dtype, bias=False)
        self.norm2 = RmsNorm2d(f"{gated}norm", n, dtype)

    def forward(self, x: Tensor) -> Tensor:
        qkv = F.conv2d(x, self.qkv_w)
        y = torch.cat([qkv, self.mixed(self.local(qkv))], 1)
        # Head g is channels 3*head*g onwards, as q, k, v: not aligned with the concatenation above, and official.
        q, k, v = y.flatten(2).unflatten(1, (-1, 3 * self.head)).transpose(2, 3).split(self.head, -1)
        a = linear_attention(F.relu(q), F.relu(k), v).to(self.dtype)
        a = a.transpose(2, 3).flatten(1, 2).unflatten(-1, x.shape[2:])
        x = self.norm1(F.conv2d(a, self.out_w)) + x
        a, gate = self.depth(F.silu(self.inverted(x))).chunk(2, 1)
        return self.norm2(self.point(a * F.silu(gate))) + x


BLOCKS = {"ResBlock": ResBlock, "EfficientViTBlock": EfficientViTBlock}


class Down(Net):
    """Strided convolution plus a shortcut: pixels to channels, then means of neighbouring channels."""

    def __init__(self, key: str, inputs: int, outputs: int, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        self.outputs, self.conv = outputs, Conv(f"{key}.conv", inputs, outputs, 3, dtype, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).permute(0, 1, 3, 5, 2, 4).flatten(1, 3)
        return self.conv(x) + pixels.unflatten(1, (self.outputs, -1)).mean(2)


class Up(Net):
    """Nearest-neighbour upsampling and a convolution, plus a shortcut: repeated channels to pixels."""

    def __init__(self, key: str, inputs: int, outputs: int, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        self.conv = Conv(f"{key}.conv", inputs, outputs, 3, dtype)
        self.register_buffer("repeat", torch.arange(inputs).repeat_interleave(4 * outputs // inputs), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))
        return y + F.pixel_shuffle(x.index_select(1, self.repeat), 2)


def stage(key: str, kind: str, channels: int, count: int, head: int, first: int, dtype: torch.dtype) -> list[nn.Module]:
    return [BLOCKS[kind](f"{key}.{first + j}", channels, head, dtype) for j in range(count)]


class DcaeEncoder(Net):
    """mel (1, 2, 128, 8T) scaled to [-1, 1] -> z (1, C, 16, T)."""

    def __init__(self, config: dict[str, Any], dtype: torch.dtype = torch.float32) -> None:
        super().__init__(dtype)
        widths, head = config["encoder_block_out_channels"], config["attention_head_dim"]
        self.latent = config["latent_channels"]
        self.conv_in = Conv("encoder.conv_in", config["in_channels"], widths[0], 3, dtype)
        self.body = nn.ModuleList()
        for i, (kind, count) in enumerate(
            zip(config["encoder_block_types"], config["encoder_layers_per_block"], strict=True)
        ):
            key = f"encoder.down_blocks.{i}"
            self.body.extend(stage(key, kind, widths[i], count, head, 0, dtype))
            if i + 1 < len(widths):
                self.body.append(Down(f"{key}.{count}", widths[i], widths[i + 1], dtype))
        self.conv_out = Conv("encoder.conv_out", widths[-1], self.latent, 3, dtype)

    def forward(self, mel: Tensor) -> Tensor:
        x = self.conv_in(mel.to(self.dtype))
        for part in self.body:
            x = part(x)
        return (self.conv_out(x) + x.unflatten(1, (self.latent, -1)).mean(2)).float()


class DcaeDecoder(Net):
    """z (1, C, 16, T) -> mel (1, 2, 128, 8T) in [-1, 1]."""

    def __init__(self, config: dict[str, Any], dtype: torch.dtype = torch.float32) -> None:
        super().__init__(dtype)
        widths, head = config["decoder_block_out_channels"], config["attention_head_dim"]
        latent, top = config["latent_channels"], len(widths) - 1
        self.conv_in = Conv("decoder.conv_in", latent, widths[top], 3, dtype)
        self.register_buffer("repeat", torch.arange(latent).repeat_interleave(widths[top] // latent), persistent=False)
        self.body = nn.ModuleList()
        for i in range(top, -1, -1):
            key = f"decoder.up_blocks.{i}"
            if i < top:
                self.body.append(Up(f"{key}.0", widths[i + 1], widths[i], dtype))
            kind, count = config["decoder_block_types"][i], config["decoder_layers_per_block"][i]
            self.body.extend(stage(key, kind, widths[i], count, head, int(i < top), dtype))
        self.norm_out = RmsNorm2d("decoder.norm_out", widths[0], dtype)
        self.conv_out = Conv("decoder.conv_out", widths[0], config["in_channels"], 3, dtype)

    def forward(self, z: Tensor) -> Tensor:
        z = z.to(self.dtype)
        x = self.conv_in(z) + z.index_select(1, self.repeat)
        for part in self.body:
            x = part(x)
        return self.conv_out(F.relu(self.norm_out(x))).float()

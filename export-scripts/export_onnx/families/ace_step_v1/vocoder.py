"""Graph vocoder: one channel of log-mel -> samples (ADaMoS HiFi-GAN: a ConvNeXt backbone and a HiFi-GAN head)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...net import Net

UNUSED = ("mel_transform.",)  # window and filter bank: the mel of source audio is computed exactly, in TypeScript


class WeightNormConv(Net):
    """Conv1d of unchanged length, or (upsample > 1) ConvTranspose1d written as Conv1d and interleaving."""

    def __init__(
        self, key: str, inputs: int, outputs: int, kernel: int, dtype: torch.dtype, dilation: int = 1, upsample: int = 1
    ) -> None:
        super().__init__(dtype)
        self.upsample, self.outputs = upsample, outputs
        self.dilation, self.padding = dilation, (kernel - 1) * dilation // 2
        keys = [f"{key}.weight_g", f"{key}.weight_v"]
        if upsample > 1:
            self.weight("w", (outputs * upsample, inputs, 3), keys, "weight_norm_upsample")
            self.weight("b", (outputs, 1), f"{key}.bias")
        else:
            self.weight("w", (outputs, inputs, kernel), keys, "weight_norm")
            self.weight("b", (outputs,), f"{key}.bias")

    def forward(self, x: Tensor) -> Tensor:
        if self.upsample == 1:
            return F.conv1d(x, self.w, self.b, padding=self.padding, dilation=self.dilation)
        y = F.conv1d(x, self.w, padding=1)
        return y.unflatten(1, (self.outputs, self.upsample)).transpose(2, 3).flatten(2) + self.b


class ChannelNorm(Net):
    """LayerNorm over the channels of (1, C, F), in float32. Gives (1, F, C): a linear layer usually follows."""

    def __init__(self, key: str, channels: int, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        self.norm_weights("n", channels, key)

    def forward(self, x: Tensor) -> Tensor:
        y = x.transpose(1, 2).float()
        return F.layer_norm(y, y.shape[-1:], self.n_w, self.n_b, 1e-6).to(self.dtype)


class ConvNeXt(Net):
    def __init__(self, key: str, channels: int, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        n = self.channels = channels
        self.weight("depth_w", (n, 1, 7), f"{key}.dwconv.weight")
        self.weight("depth_b", (n,), f"{key}.dwconv.bias")
        self.channel_norm = ChannelNorm(f"{key}.norm", n, dtype)
        self.linear("up", n, 4 * n, f"{key}.pwconv1")
        self.linear("down", 4 * n, n, f"{key}.pwconv2")
        self.weight("gamma", (n,), f"{key}.gamma")

    def forward(self, x: Tensor) -> Tensor:
        y = F.conv1d(x, self.depth_w, self.depth_b, padding=3, groups=self.channels)
        y = self.apply_linear("down", F.gelu(self.apply_linear("up", self.channel_norm(y)))) * self.gamma
        return x + y.transpose(1, 2)


class ChannelStep(Net):
    """From one width of the backbone to the next: norm, then a linear layer."""

    def __init__(self, key: str, inputs: int, outputs: int, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        self.channel_norm = ChannelNorm(f"{key}.0", inputs, dtype)
        self.linear("step", inputs, outputs, f"{key}.1")

    def forward(self, x: Tensor) -> Tensor:
        return self.apply_linear("step", self.channel_norm(x)).transpose(1, 2)


class Stem(Net):
    def __init__(self, key: str, inputs: int, outputs: int, kernel: int, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        self.weight("w", (outputs, inputs, kernel), f"{key}.0.weight")
        self.weight("b", (outputs,), f"{key}.0.bias")
        self.padding = kernel // 2
        self.channel_norm = ChannelNorm(f"{key}.1", outputs, dtype)

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(x, (self.padding, self.padding), mode="replicate")
        return self.channel_norm(F.conv1d(padded, self.w, self.b)).transpose(1, 2)


class ResBlock(Net):
    """Pairs of dilated and plain convolutions, each pair with a residual."""

    def __init__(self, key: str, channels: int, kernel: int, dilations: list[int], dtype: torch.dtype) -> None:
        super().__init__(dtype)
        conv = lambda part, i, d: WeightNormConv(f"{key}.{part}.{i}", channels, channels, kernel, dtype, d)  # noqa: E731
        self.first = nn.ModuleList(conv("convs1", i, d) for i, d in enumerate(dilations))
        self.second = nn.ModuleList(conv("convs2", i, 1) for i in range(len(dilations)))

    def forward(self, x: Tensor) -> Tensor:
        for first, second in zip(self.first, self.second, strict=True):
            x = x + second(F.silu(first(F.silu(x))))
        return x


class Vocoder(Net):
    """mel (1, 128, F) natural-log mel -> waveform (1, 512F)."""

    def __init__(self, config: dict[str, Any], dtype: torch.dtype = torch.float32) -> None:
        super().__init__(dtype)
        widths, depths = config["dims"], config["depths"]
        self.backbone = nn.ModuleList()
        for i, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            key = f"backbone.channel_layers.{i}"
            if i == 0:
                self.backbone.append(Stem(key, config["input_channels"], width, config["kernel_sizes"][0], dtype))
            else:
                self.backbone.append(ChannelStep(key, widths[i - 1], width, dtype))
            self.backbone.extend(ConvNeXt(f"backbone.stages.{i}.{j}", width, dtype) for j in range(depth))
        self.norm_out = ChannelNorm("backbone.norm", widths[-1], dtype)

        width, kernels = config["upsample_initial_channel"], config["resblock_kernel_sizes"]
        self.pre = WeightNormConv("head.conv_pre", config["num_mels"], width, config["pre_conv_kernel_size"], dtype)
        self.levels, self.blocks = nn.ModuleList(), nn.ModuleList()
        for i, (rate, kernel) in enumerate(zip(config["upsample_rates"], config["upsample_kernel_sizes"], strict=True)):
            self.levels.append(WeightNormConv(f"head.ups.{i}", width, width // 2, kernel, dtype, upsample=rate))
            width //= 2
            self.blocks.append(
                nn.ModuleList(
                    ResBlock(
                        f"head.resblocks.{len(kernels) * i + j}", width, k, config["resblock_dilation_sizes"][j], dtype
                    )
                    for j, k in enumerate(kernels)
                )
            )
        self.post = WeightNormConv("head.conv_post", width, 1, config["post_conv_kernel_size"], dtype)

    def forward(self, mel: Tensor) -> Tensor:
        x = mel.to(self.dtype)
        for part in self.backbone:
            x = part(x)
        x = self.pre(self.norm_out(x).transpose(1, 2))
        for level, blocks in zip(self.levels, self.blocks, strict=True):
            x = level(F.silu(x))
            outputs = [block(x) for block in blocks]
            x = sum(outputs[1:], outputs[0]) * (1 / len(outputs))
        return torch.tanh(self.post(F.silu(x))).float().flatten(1)

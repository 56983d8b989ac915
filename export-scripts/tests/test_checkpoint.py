"""Strict loading: a checkpoint that is not exactly what the graphs need is refused, and the message names the key."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import KEYS
from safetensors.numpy import load_file, save_file

from export_onnx.__main__ import main
from export_onnx.families import ace_step_v1, open_pack
from export_onnx.families.ace_step_v1 import TEXT, TRANSFORMER
from export_onnx.pack import Checkpoint, CheckpointError, check
from export_onnx.safetensors import SafeTensors


@pytest.fixture
def changed(checkpoint: Path, tmp_path: Path):
    """Writes a copy of the checkpoint with one file changed by a function of its tensors."""

    def change(file: str, edit) -> Path:
        folder = shutil.copytree(checkpoint, tmp_path / "changed")
        tensors = load_file(folder / file)
        edit(tensors)
        save_file(tensors, folder / file)
        return folder

    return change


def problem(folder: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        check(open_pack(folder), Checkpoint(folder))
    return str(error.value)


def test_a_complete_checkpoint_passes_and_names_what_it_leaves_unread(checkpoint: Path, changed) -> None:
    assert not any(check(open_pack(checkpoint), Checkpoint(checkpoint)).values())
    folder = changed(TRANSFORMER, lambda t: t.update({"projectors.0.0.weight": np.zeros(3, np.float32)}))
    assert check(open_pack(folder), Checkpoint(folder))[TRANSFORMER] == ["projectors.0.0.weight"]


def test_a_missing_key_is_named(changed) -> None:
    key = "transformer_blocks.1.attn.to_k.weight"
    assert f"missing {key} (wanted by denoiser)" in problem(changed(TRANSFORMER, lambda t: t.pop(key)))


def test_a_surplus_key_is_named(changed) -> None:
    message = problem(changed(TEXT, lambda t: t.update({"encoder.extra": np.zeros(2, np.float32)})))
    assert "unknown key encoder.extra" in message


def test_a_wrong_shape_is_named_with_both_shapes(changed) -> None:
    key = "encoder.block.0.layer.0.SelfAttention.o.weight"
    message = problem(changed(TEXT, lambda t: t.update({key: np.zeros((24, 23), np.float32)})))
    assert f"{key} [24, 23] cannot become [24, 24]" in message


def test_a_transposed_weight_is_no_reshape(changed) -> None:
    key = "encoder.block.0.layer.1.DenseReluDense.wo.weight"
    assert f"{key} [48, 24]" in problem(changed(TEXT, lambda t: t.update({key: np.ascontiguousarray(t[key].T)})))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not a safetensors file"),
        (b"\xff" * 8 + b"{}", "not a safetensors file"),
        (b"<!doctype html>", "not a safetensors"),
    ],
)
def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path, raw: bytes, message: str) -> None:
    (tmp_path / "x").write_bytes(raw)
    with pytest.raises(ValueError, match=message):
        SafeTensors(tmp_path / "x")


def test_a_folder_without_a_model_says_what_would_be_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is no checkpoint folder"):
        open_pack(tmp_path)


def test_a_missing_file_is_named(checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "changed")
    (folder / TEXT).unlink()
    with pytest.raises(FileNotFoundError, match="no such checkpoint file"):
        check(open_pack(folder), Checkpoint(folder))


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_value_that_is_no_number_is_refused_at_conversion(
    changed, capsys, monkeypatch, tmp_path: Path, value: float
) -> None:
    key = "transformer_blocks.1.attn.to_k.weight"

    def spoil(tensors: dict[str, np.ndarray]) -> None:
        tensors[key].reshape(-1)[7] = value

    folder = changed(TRANSFORMER, spoil)
    words = ["export_onnx", "export", str(folder), str(tmp_path / "out"), "--variants", "fp32", "--no-errors"]
    monkeypatch.setattr("sys.argv", words)
    assert main() == 2
    assert f"{TRANSFORMER}: {key} is infinite or no number at element 7" in capsys.readouterr().err


class Header:
    """The keys and shapes of a file, without its data."""

    def __init__(self, shapes: dict[str, tuple[int, ...]]) -> None:
        self.shapes = shapes


@pytest.mark.skipif(not KEYS.exists(), reason="the list of the official checkpoint's keys is not beside the repository")
def test_every_key_of_the_official_checkpoint_is_used_or_known_as_unused() -> None:
    shapes: dict[str, dict[str, tuple[int, ...]]] = {}
    for line in KEYS.read_text().splitlines():
        part, key, shape, *_ = line.split("\t")
        shapes.setdefault(part, {})[key] = tuple(int(n) for n in shape.strip("[]()").replace(" ", "").split(",") if n)
    official = ace_step_v1.official_pack()

    class Official(Checkpoint):
        def file(self, name: str) -> Header:
            return Header(shapes[name.split("/")[0]])

    unread = check(official, Official(Path("official")))
    assert len(unread[TRANSFORMER]) == 24 * 8 + 2 * 3 * 2  # add_*_proj and to_add_out; the projectors

"""Make nano from nothing: music, codec, decoder, vocoder, denoiser, classifier, checkpoint. The same command resumes.

    python everything.py --data DATA [--processes 2] [--device cuda] [--scale 0.01]

What it costs, in seconds of one core of a 2024 server CPU with AVX-512 BF16 (two such cores halve the time):

    render     2600 + 120 clips, 27 h of music       1800 s
    codec      600 clips                               60 s
    decoder    1800 steps at 0.3 s                    540 s
    vocoder    400 clips prepared, 3000 steps at 0.85 s 3050 s
    denoiser   12000 steps at 2.2 s                 26400 s
    mood       1300 steps at 1.6 s                   2100 s
    classifier 1200 steps                             120 s
    all                                             about 9.5 hours of one core, 5 of two; 12 GB of disk, 8 GB of memory

--device cuda trains there in bfloat16, one process a GPU; written for it, and not run on one yet. Every trainer follows a
number of steps, so the same machine with the same number of processes makes the same bits, however often it is stopped.
--scale shortens everything by a factor, to try the way through. How the embedded weights were made: README.md.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TRAIN_CLIPS, VALIDATION_CLIPS, AUDIO_CLIPS = 2600, 120, 400
FIRST_VALIDATION_SEED = 1_000_000
DECODER_STEPS, VOCODER_STEPS, DENOISER_STEPS, MOOD_STEPS, CLASSIFIER_STEPS = 1800, 3000, 12000, 1300, 1200


def start(*command: str) -> subprocess.Popen:
    print("+", *command, flush=True)
    return subprocess.Popen([sys.executable, *command], cwd=HERE, env={**os.environ, "OMP_NUM_THREADS": "1"})


def finish(*running: subprocess.Popen) -> None:
    for process in running:
        if process.wait():
            for other in running:
                other.terminate()
            sys.exit(f"ended with code {process.returncode}; the same command goes on from here")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="that render, and that train the denoiser"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--scale", type=float, default=1.0)
    args = parser.parse_args()
    data, workers, device = args.data.resolve(), args.processes, ["--device", args.device]

    def scaled(count: int, least: int) -> int:
        return max(least, round(count * args.scale))

    def render(split: str, first: int, count: int, audio: int) -> None:
        options = ["--data", str(data), "--split", split, "--seeds", f"{first}:{first + count}", "--audio", str(audio)]
        finish(*[start("prepare.py", "render", *options, "--part", f"{i}/{workers}") for i in range(workers)])

    clips, held_out = scaled(TRAIN_CLIPS, 8), scaled(VALIDATION_CLIPS, 4)
    render("train", 0, clips, min(clips, scaled(AUDIO_CLIPS, 4)))
    render("val", FIRST_VALIDATION_SEED, held_out, held_out)
    common = ["--data", str(data)]
    if not (data / "codec.safetensors").exists():
        finish(start("prepare.py", "codec", *common))
    finish(start("prepare.py", "latents", *common))
    finish(
        start(
            "train_decoder.py",
            *common,
            *device,
            "--out",
            str(data / "decoder.pt"),
            "--steps",
            str(scaled(DECODER_STEPS, 2)),
        )
    )
    for split, seconds in (("val", "6"), ("train", "9")):
        if not (data / split / "vocoder.pt").exists():
            finish(start("train_vocoder.py", "prepare", *common, "--split", split, "--seconds", seconds))
    vocoder = ["--out", str(data / "vocoder.pt"), "--steps", str(scaled(VOCODER_STEPS, 2))]
    finish(start("train_vocoder.py", "train", *common, *device, *vocoder))
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(workers)] if workers > 1 else []
    denoiser = ["--out", str(data / "denoiser.pt"), "--steps", str(scaled(DENOISER_STEPS, 2))]
    finish(start(*launch, "train_denoiser.py", *common, *device, *denoiser))
    others = ["--vocoder", str(data / "vocoder.pt"), "--codec", str(data / "codec.safetensors")]
    begun = str(data / "begun")
    finish(start("checkpoint.py", "--denoiser", str(data / "denoiser.pt"), *others, "--out", begun))
    mood = ["--init", begun, "--only", "condition_encoder.mood", "--rate", "2", "--steps", str(scaled(MOOD_STEPS, 2))]
    finish(start("train_denoiser.py", *common, *device, *mood, "--out", str(data / "mood.pt")))
    finish(start("checkpoint.py", "--denoiser", str(data / "mood.pt"), *others))
    classifier = ["--steps", str(scaled(CLASSIFIER_STEPS, 2)), "--out", str(data / "classifier.safetensors")]
    finish(start("evaluate.py", "classifier", *common, *classifier))
    print(
        "Export with: cd export-scripts && python -m export_onnx export ../training/nano/checkpoint ../public/models/nano"
    )


if __name__ == "__main__":
    main()

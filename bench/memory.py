"""Memory that one large file adds, against the SDKs used plainly.

    python bench/memory.py

Each row is a fresh process (Linux only): it makes one small call, resets its peak, makes the large
call, and prints how far the peak rose above what was in use before.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from media import jpeg, write_mp4, write_png
from server import running

MIB = 1 << 20


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def measure(method: str, url: str, small: str, large: str) -> None:
    call = METHODS[method](url)
    call(small)
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    call(large)
    print(_status("VmHWM") - before)


def _openai_plain(url: str) -> Callable[[str], object]:
    import openai

    client = openai.OpenAI(api_key="bench", base_url=f"{url}/v1")

    def call(path: str) -> object:
        data = base64.b64encode(Path(path).read_bytes()).decode()
        part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
        return client.chat.completions.create(
            model="bench", messages=[{"role": "user", "content": [part]}]
        )

    return call


def _genai(url: str) -> object:
    from google import genai

    options = genai.types.HttpOptions(base_url=url, api_version="v1beta")
    return genai.Client(vertexai=False, api_key="bench", http_options=options)


def _genai_inline(url: str) -> Callable[[str], object]:
    from google.genai import types

    client = _genai(url)

    def call(path: str) -> object:
        part = types.Part.from_bytes(data=Path(path).read_bytes(), mime_type="image/png")
        return client.models.generate_content(model="bench", contents=[part])

    return call


def _genai_upload(url: str) -> Callable[[str], object]:
    from google.genai import types

    client = _genai(url)

    def call(path: str) -> object:
        options = types.HttpOptions(base_url=url)
        config = types.UploadFileConfig(mime_type="video/mp4", http_options=options)
        with Path(path).open("rb") as file:
            return client.files.upload(file=file, config=config)

    return call


def _mediasense(provider: str, path: str) -> Callable[[str], Callable[[str], object]]:
    def make(url: str) -> Callable[[str], object]:
        import mediasense

        os.environ["BENCH_KEY"] = "bench"
        os.environ["MEDIASENSE_CACHE"] = "off"

        def call(file: str) -> object:
            return mediasense.analyze(
                file,
                "What is it?",
                provider=provider,
                model="bench",
                base_url=f"{url}{path}",
                api_key_env="BENCH_KEY",
            )

        return call

    return make


METHODS: dict[str, Callable[[str], Callable[[str], object]]] = {
    "openai SDK": _openai_plain,
    "google-genai inline": _genai_inline,
    "google-genai upload": _genai_upload,
    "mediasense openai": _mediasense("openai", "/v1"),
    "mediasense vllm": _mediasense("vllm", "/v1"),
    "mediasense gemini": _mediasense("gemini", ""),
}


def main() -> None:
    print(f"{'':<40} {'added MiB':>10} {'of file':>8} {'target':>10}")
    with tempfile.TemporaryDirectory() as folder, running() as url:
        small = Path(folder, "small.jpg")
        small.write_bytes(jpeg(50_000))
        clip = write_mp4(Path(folder, "small.mp4"), 0)
        image = write_png(Path(folder, "large.png"), 100 * MIB - 64 * 1024)
        inline = write_png(Path(folder, "inline.png"), 70 * MIB)
        video = write_mp4(Path(folder, "large.mp4"), 100 * MIB)
        inline_video = write_mp4(Path(folder, "inline.mp4"), 70 * MIB)
        upload = write_mp4(Path(folder, "upload.mp4"), 1024 * MIB)
        for name, method, first, second, target in (
            ("100 MiB image, openai SDK plainly", "openai SDK", small, image, None),
            ("100 MiB image, mediasense openai", "mediasense openai", small, image, 10),
            ("100 MiB video, mediasense vllm", "mediasense vllm", clip, video, 10),
            ("70 MiB image, google-genai inline", "google-genai inline", small, inline, None),
            ("70 MiB image, mediasense gemini", "mediasense gemini", small, inline, 10),
            ("70 MiB video, mediasense gemini", "mediasense gemini", clip, inline_video, 10),
            ("1 GiB video, google-genai upload", "google-genai upload", clip, upload, None),
            ("1 GiB video, mediasense gemini", "mediasense gemini", clip, upload, 20),
        ):
            command = [sys.executable, __file__, method, url, str(first), str(second)]
            added = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            size = second.stat().st_size
            wanted = f"{target:7d} MiB" if target else ""
            print(f"{name:<40} {added / MIB:10.1f} {added / size:8.3f} {wanted}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(*sys.argv[1:])
    else:
        main()

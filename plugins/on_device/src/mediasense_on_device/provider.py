"""What this package offers, as data."""

from __future__ import annotations

from mediasense import ImageLimits, Provider, VideoLimits

MODEL = "pp-ocrv6-small"
SCRIPTS = "Latin, Chinese and Japanese"
"""Scripts the model knows (rapidocr 3.10.0; its character set was counted, 2026-11)."""

PROVIDER = Provider(
    name="on_device",
    description=f"Reads the text in pictures on this machine, without a key ({SCRIPTS} script)",
    kind="device",
    default_model=MODEL,
    image=ImageLimits(
        answers=False,
        mime_types=(
            "image/png",
            "image/jpeg",
            "image/webp",
            "image/gif",
            "image/bmp",
            "image/tiff",
        ),
        # An open picture takes up to 12 bytes a pixel (decoded, converted, as an array): 0.6 GB.
        max_pixels=50_000_000,
        # OpenCV counts the columns and rows it cuts lines from with 16 bits.
        max_side=32_000,
    ),
    video=VideoLimits(
        answers=False,
        mime_types=(
            "video/mp4",
            "video/quicktime",
            "video/webm",
            "video/x-matroska",
            "video/x-msvideo",
            "video/mpeg",
            "video/mp2t",
            "video/3gpp",
            "video/x-flv",
            "video/x-ms-asf",
            "video/x-ms-wmv",
            "video/ogg",
        ),
        options=("start_end", "fps"),
    ),
)

"""The example files, read for real: what is told of them, word for word."""

from __future__ import annotations

from pathlib import Path

import pytest

from mediasense import Answer, Media

MEDIA = Path(__file__).parents[2] / "examples" / "media"

DIALOG = """
Invoice Desk – Payments File Edit View Payments Help Overview Invoices Payments Suppliers Bank
accounts Reports Settings Payments in June 2025 Line Payee Invoice Due Amount State 8 Alder Print
Shop INV-2041 2 June € 412.50 Paid 9 Birch Cleaning INV-2044 3 June € 180.00 Paid 10 Cedar Office
11 Elm Logistics 15 Oak Insurance INV-2063 20 June € 758.20 Open 16 Pine Telecom INV-2066 23 June
€ 89.90 Open 17 Rowan Travel INV-2071 27 June € 530.00 Open 18 Willow Energy INV-2075 30 June
€ 1,120.40 Open Edit payment (line 14) Payee Maple Consulting Amount € 1,284.00 Pay on 18 June 2025
Reference INV-2060 BIC EXAMPLEXXX IBAN DE00 1234 5678 9012 34 Note Payment could not be saved Error
0x80070057: the field 'IBAN' is not valid (line 14). The payment was not sent. Correct the field
and save again. Copy details Cancel Edit payment Lines 8 to 18 of 18, € 8,476.10 Signed in as
anna@example.com
"""


@pytest.fixture(scope="module")
def answers() -> dict[str, Answer]:
    """Each file is read once for all tests."""
    return {}


@pytest.fixture
def dialog(read, answers) -> Answer:
    path = MEDIA / "error-dialog.png"
    if path.name not in answers:
        image = Media(modality="image", mime_type="image/png", path=path)
        answers[path.name] = read(image)
    return answers[path.name]


@pytest.fixture
def recording(read, answers) -> Answer:
    path = MEDIA / "screen-recording.mp4"
    if path.name not in answers:
        video = Media(
            modality="video", mime_type="video/mp4", path=path, seconds=13.0, has_sound=True
        )
        answers[path.name] = read(video)
    return answers[path.name]


def test_the_error_dialog_is_read(dialog):
    found = dialog.text.split()
    words = DIALOG.split()
    assert sum(word in found for word in words) / len(words) >= 0.97
    assert (
        "Payment could not be saved\nError 0x80070057: the field 'IBAN' is not valid" in dialog.text
    )


def test_the_table_behind_it_is_read_row_by_row(dialog):
    assert "9  Birch Cleaning  INV-2044  3 June  € 180.00" in dialog.text


def test_its_menu_is_one_block(dialog):
    assert "Overview\nInvoices\nPayments\nSuppliers\nBank accounts\n" in dialog.text


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("Invoice Desk", 0.0, 13.0),
        ("Password", 0.0, 3.7),
        ("Search invoices", 3.7, 10.2),
        ("4 results for “overdue”", 5.9, 10.2),
        ("Session expired (401): please sign in again", 7.4, 10.2),
        ("You were signed out. Please sign in again.", 10.2, 13.0),
    ],
)
def test_the_recording_is_told_with_its_times(recording, text, start, end):
    spans = [it for it in recording.lines if it.text == text]
    assert any(abs(it.start - start) <= 0.5 and abs(it.end - end) <= 0.5 for it in spans)


def test_what_is_typed_is_told_whole(recording):
    assert "0:02–0:03  anna@example.com" in recording.text
    assert "anna@\n" not in recording.text


def test_an_entry_reads_as_people_would_write_it(recording):
    assert "\n0:07–0:10  Session expired (401): please sign in again" in recording.text


def test_the_pointer_is_no_text(recording):
    assert not [it for it in recording.lines if len(it.text) == 1]

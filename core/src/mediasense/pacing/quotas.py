"""Which refusals no waiting cures, by the words of the services (of 2024 to 2026).

A 429 is "slow down" and also "the money is used up"; the status does not say which. Some services
use the same words for both: Gemini says "You exceeded your current quota, please check your plan
and billing details" when a minute's requests are used up, and OpenAI when the credit is. So the
words that money is short of count; words that fit both count only where nothing else says that it
passes: no time to wait, and no word of rates.
"""

from __future__ import annotations

import re

from mediasense.errors import RateLimited

_NEVER = (
    r"insufficient[_ ](?:quota|funds|credits?|balance)|credit balance|(?:out of|no|more) credits\b|"
    r"used all available credits|credits? (?:are|is|have been|has been) (?:depleted|exhausted)|"
    r"spend(?:ing)?[_ ](?:limit|cap)|billing[_ ]hard[_ ]limit|payment required|"
    r"request too large|余额不足"
)
_PASSES = r"rate.?limit|per (?:second|minute|hour)|(?:try|retry)(?: again)? (?:in|after)\b"
_NOT_SOON = r"\bper[ -](?:day|month)\b|\b(?:daily|monthly)\b|\b[rt]pd\b"
_PERHAPS = r"exceeded your current quota|plan and billing|\bbilling\b|usage limit"


def passes(error: RateLimited) -> bool:
    """Whether the same request may be taken after some minutes.

    Args:
        error: The refusal; its words and its ``retry_after`` count.
    """
    said = error.message.lower()
    if re.search(_NEVER, said):
        return False
    if error.retry_after is not None:
        return True
    if re.search(_NOT_SOON, said):
        return False
    return bool(re.search(_PASSES, said)) or not re.search(_PERHAPS, said)

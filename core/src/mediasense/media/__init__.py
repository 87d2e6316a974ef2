"""From what the user names to media that a provider takes; nothing here knows a provider.

``source`` and ``inspecting`` look at it, ``images``, ``keyframes``, ``sound`` and ``recordings``
prepare it, ``fetch`` downloads it, and ``isolation`` keeps what decodes it apart.
"""

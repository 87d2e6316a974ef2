"""An agent asks a real provider through the server of agents."""

from __future__ import annotations

import asyncio
import sys

from mcp import Client, StdioServerParameters


def test_an_agent_has_an_image_looked_at_by_a_service(tmp_path, make_image, httpserver):
    (tmp_path / "shot.png").write_bytes(make_image())
    choice = {"message": {"role": "assistant", "content": "a dialog"}, "finish_reason": "stop"}
    httpserver.expect_request("/v1/chat/completions").respond_with_json(
        {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    )
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "mediasense", "mcp", "--provider", "mine", "--model", "m"],
        env={
            "HOME": str(tmp_path / "home"),
            "MEDIASENSE_CACHE": "off",
            "MEDIASENSE_HISTORY": "off",
            "PYTHONSAFEPATH": "1",
        },
        cwd=tmp_path,
    )
    config = tmp_path / "home" / ".config" / "mediasense" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(
        f'[providers.mine]\nbase_url = "{httpserver.url_for("/v1")}"\nmodel = "m"\nimage = true\n'
    )

    async def ask():
        async with Client(server) as client:
            asked = {"path": "shot.png", "question": "what is shown?"}
            return await client.call_tool("look_at_image", asked)

    result = asyncio.run(ask())
    assert result.content[0].text == "a dialog", result.content
    assert result.structured_content["provider"] == "mine"

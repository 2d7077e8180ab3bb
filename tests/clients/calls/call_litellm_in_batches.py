import asyncio
import os
from contextlib import suppress
from pathlib import Path

import litellm
import yaml
from litellm.integrations.generic_api.generic_api_callback import GenericAPILogger
from litellm.litellm_core_utils.logging_callback_manager import LoggingCallbackManager

asked = [{"role": "user", "content": "When does the tide turn?"}]


def configured():
    """The callbacks of the page's config.yaml, as the proxy makes them."""
    text = Path("config.yaml").read_text().replace("https://analytics.example.com", os.environ["ANALYTICS_URL"])
    config = yaml.safe_load(text.replace("ANALYTICS_KEY", os.environ["ANALYTICS_KEY"]))
    litellm.callback_settings = config["callback_settings"]
    names = config["litellm_settings"]["callbacks"]
    return [LoggingCallbackManager.add_custom_callback_generic_api_str(name) for name in names]


def of_key():
    return {"tags": ["blue", "night"], "user_api_key_alias": "checkout-key", "user_api_key_team_id": "team-7"}


async def main():
    (logger,) = litellm.callbacks = configured()
    assert isinstance(logger, GenericAPILogger)
    await litellm.acompletion(model="openai/gpt-4o-mini", messages=asked, user="ann", metadata=of_key())
    stream = await litellm.acompletion(
        model="openai/gpt-4o-mini",
        messages=asked,
        user="ann",
        metadata=of_key(),
        stream=True,
        stream_options={"include_usage": True},
    )
    async for _ in stream:
        pass
    await litellm.aembedding(model="openai/text-embedding-3-small", input=["tide"], user="ann", metadata=of_key())
    await litellm.acompletion(
        model="anthropic/claude-haiku-4-5-20251001", messages=asked, user="ann", metadata=of_key()
    )
    with suppress(litellm.RateLimitError):
        await litellm.acompletion(
            model="gpt-4o-mini", messages=asked, user="ann", metadata=of_key(), mock_response="litellm.RateLimitError"
        )
    async with asyncio.timeout(30):
        while len(logger.log_queue) < 5:
            await asyncio.sleep(0.05)
    batch = list(logger.log_queue)
    await logger.flush_queue()
    logger.log_queue.extend(batch)  # the answer was lost, say
    await logger.flush_queue()


asyncio.run(main())

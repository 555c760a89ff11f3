"""The process that reads one exported chat, from its standard input: `python -m services.reading.chat_child … REQUEST`.

REQUEST is JSON: {"business_name", "most_bytes"}. One line of JSON out: {"pairs": [[question, key, answer, times,
asked_at], ...]}, {"not_a_chat": sentence} or {"names": [who may have answered]}.
"""

import argparse
import json
import signal
import sys
from typing import Any

from agents.intent_rules import IntentRules
from agents.language_packs import load_language_packs
from services.chat_export import NotAChatError, chat_messages, chat_text
from services.chat_pairs import UnclearBusinessError, chat_pairs
from services.modest_children import be_modest


def main() -> None:
    """Answer and end."""
    parser = argparse.ArgumentParser(description="Reads chats for Concierge; started by it, not by people.")
    parser.add_argument("--memory-mb", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True, help="an alarm ends it, should nobody wait any more")
    parser.add_argument("request", type=json.loads)
    options = parser.parse_args()
    be_modest(options.memory_mb)
    signal.alarm(options.seconds)
    sys.stdout.write(json.dumps(_answer(**options.request)))


def _answer(business_name: str | None, most_bytes: int) -> dict[str, Any]:
    try:
        messages = chat_messages(chat_text(sys.stdin.buffer, most_bytes))
        pairs = chat_pairs(messages, business_name, IntentRules(load_language_packs()))
    except NotAChatError as error:
        return {"not_a_chat": str(error)}
    except UnclearBusinessError as error:
        return {"names": error.names}
    return {"pairs": [[each.question, each.key, each.answer, each.times, each.asked_at.isoformat()] for each in pairs]}


if __name__ == "__main__":
    main()

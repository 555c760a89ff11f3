"""How checks are shown to a person."""

import io
import sys

import pytest

from bot.commands.failures import Exit
from bot.commands.findings import exit_code, ok, print_findings, problem, skipped, warning


def test_only_a_problem_fails():
    """Warnings and what was not checked leave the exit code 0."""
    assert exit_code([ok("A", "a"), warning("B", "b"), skipped("C", "c")]) is Exit.OK
    assert exit_code([ok("A", "a"), problem("B", "b")]) is Exit.FAILED


def test_the_same_advice_is_given_once(capsys):
    """Three checks that fail for one reason do not say three times what to do."""
    print_findings([problem("A", "no", "do this"), problem("B", "no", "do this"), problem("C", "no", "do that")])
    assert [line.strip() for line in capsys.readouterr().out.splitlines() if "do " in line] == ["do this", "do that"]


def test_on_a_terminal_long_lines_are_wrapped_below_their_text(capsys, monkeypatch):
    """A file or a pipe gets one line a check."""
    text = "words " * 30
    monkeypatch.delenv("COLUMNS", raising=False)
    print_findings([ok("A", text)])
    assert len(capsys.readouterr().out.splitlines()) == 1
    monkeypatch.setenv("COLUMNS", "80")
    print_findings([ok("A", text)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 1
    assert all(len(line) <= 80 for line in lines)
    assert all(line.startswith(" " * 10) for line in lines[1:])


def test_a_poor_terminal_still_gets_everything(monkeypatch):
    """Without the letters for our marks, plain ones stand there; nothing raises, whatever a name at Meta holds."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    print_findings([problem("Number", 'named "花屋\x1b[31m"', "look")])
    shown = raw.getvalue().decode()
    assert shown.startswith("XX Number")
    assert "\x1b" not in shown


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\tb"])
def test_a_line_stays_a_line(capsys, text):
    """Meta's words cannot add lines of their own."""
    print_findings([ok("A", text)])
    assert capsys.readouterr().out.splitlines()[0].endswith("a b")

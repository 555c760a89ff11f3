"""Markdown becomes plain text that keeps its structure."""

from services.document_blocks import BlockKind
from services.reading.markdown_reader import markdown_blocks

SAMPLE = """---
title: Front matter
---
# Shop **hours**

We open at *nine* and
close at [five](https://shop.example/hours).

- one
- two with `code`
  continued
   - nested

3. third
4. fourth

| Item | Price |
|------|------:|
| Tea  | 2 €   |

<details><summary>Do you deliver?</summary>Yes.</details>

Last line  
after a break ![a picture](x.png)
"""  # noqa: W291 - two spaces are Markdown's line break


def test_every_kind_of_block_is_read():
    """Headings, lists with their numbers, tables, HTML and line breaks come out as a person would write them."""
    blocks = [(block.kind, block.text.strip()) for block in markdown_blocks(SAMPLE, keep_links=True)]
    assert blocks == [
        (BlockKind.HEADING, "Shop hours"),
        (BlockKind.PARAGRAPH, "We open at nine and close at five (https://shop.example/hours)."),
        (BlockKind.ITEM, "- one"),
        (BlockKind.ITEM, "- two with code continued"),
        (BlockKind.ITEM, "- nested"),
        (BlockKind.ITEM, "3. third"),
        (BlockKind.ITEM, "4. fourth"),
        (BlockKind.HEADER_ROW, "Item | Price"),
        (BlockKind.ROW, "Tea | 2 €"),
        (BlockKind.PARAGRAPH, "Do you deliver?Yes."),
        (BlockKind.PARAGRAPH, "Last line\nafter a break"),
    ]


def test_links_may_be_left_out():
    """A page's menus do not fill its text with addresses."""
    assert [block.text for block in markdown_blocks("[a](https://b.example)", keep_links=False)] == ["a"]


def test_a_large_text_is_read_in_parts():
    """A text of many megabytes gives the same blocks as its parts, and a fence is never cut."""
    section = "# Part\n\nText of the part.\n\n```\n# no heading\n\ncode\n```\n\n"
    once = list(markdown_blocks(section, keep_links=True))
    assert len(once) == 3
    many = list(markdown_blocks(section * 15_000, keep_links=True))
    assert many == once * 15_000

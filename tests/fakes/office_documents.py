"""Office documents and archives of our own making, as bytes: the least that programs need to open them."""

import io
import zipfile
from collections.abc import Iterable, Sequence

_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_ODF = "urn:oasis:names:tc:opendocument:xmlns"
_XML = '<?xml version="1.0"?>'
SHEET = "xl/worksheets/sheet{}.xml"


def zipped(files: dict[str, str | bytes], *, compressed: bool = True) -> bytes:
    """A zip archive; its first member is always stored as it is."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number, (name, inner) in enumerate(files.items()):
            method = zipfile.ZIP_DEFLATED if number and compressed else zipfile.ZIP_STORED
            archive.writestr(name, inner, method)
    return content.getvalue()


def workbook(sheets: dict[str, Iterable[Sequence[str | float]]], *, declaration: str = _XML) -> bytes:
    """An .xlsx with a sheet a name; numbers stay numbers. `declaration` begins each sheet's XML."""
    numbered = list(enumerate(sheets.items(), 1))
    parts = "".join(f'<sheet name="{name}" sheetId="{number}" r:id="r{number}"/>' for number, (name, _) in numbered)
    links = "".join(
        f'<Relationship Id="r{number}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        for number, _ in numbered
    )
    content: dict[str, str | bytes] = {
        "[Content_Types].xml": f'{_XML}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="xml" '
        'ContentType="application/xml"/></Types>',
        "_rels/.rels": f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'{_XML}<workbook xmlns="{_SHEETS}" xmlns:r="{_OFFICE}"><sheets>{parts}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{links}</Relationships>',
    }
    for number, (_, rows) in numbered:
        cells = "".join(f"<row>{''.join(map(_cell, row))}</row>" for row in rows)
        sheet = f'{declaration}<worksheet xmlns="{_SHEETS}"><sheetData>{cells}</sheetData></worksheet>'
        content[SHEET.format(number)] = sheet
    return zipped(content)


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{value}</t></is></c>' if value else "<c/>"
    return f"<c><v>{value}</v></c>"


def open_document(kind: str, body: str, *, declaration: str = _XML) -> bytes:
    """An OpenDocument file; `kind` is text, spreadsheet or presentation, `body` what is inside its element."""
    mimetype = f"application/vnd.oasis.opendocument.{kind}"
    names = ("office", "table", "text", "draw", "presentation")
    spaces = " ".join(
        f'xmlns:{name}="{_ODF}:{"drawing" if name == "draw" else name}:1.0"'  # the one whose name is longer
        for name in names
    )
    manifest = (
        f'{_XML}<manifest:manifest xmlns:manifest="{_ODF}:manifest:1.0"><manifest:file-entry '
        f'manifest:full-path="/" manifest:media-type="{mimetype}"/></manifest:manifest>'
    )
    content = (
        f"{declaration}<office:document-content {spaces}><office:body><office:{kind}>{body}"
        f"</office:{kind}></office:body></office:document-content>"
    )
    return zipped({"mimetype": mimetype, "META-INF/manifest.xml": manifest, "content.xml": content})


def ebook(*chapters: str) -> bytes:
    """An EPUB with a title and these chapters, each the body of a page."""
    items = "".join(
        f'<item id="c{number}" href="c{number}.xhtml" media-type="application/xhtml+xml"/>'
        for number in range(len(chapters))
    )
    spine = "".join(f'<itemref idref="c{number}"/>' for number in range(len(chapters)))
    files: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": f'{_XML}<container version="1.0" '
        'xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="book.opf" '
        'media-type="application/oebps-package+xml"/></rootfiles></container>',
        "book.opf": f'{_XML}<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>The tea book</dc:title></metadata>'
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>",
    }
    for number, chapter in enumerate(chapters):
        page = f'{_XML}<html xmlns="http://www.w3.org/1999/xhtml"><body>{chapter}</body></html>'
        files[f"c{number}.xhtml"] = page
    return zipped(files)


def slides(*texts: tuple[str, str]) -> bytes:
    """A .pptx with a title and a paragraph a slide."""
    main = "http://schemas.openxmlformats.org/presentationml/2006/main"
    drawing = "http://schemas.openxmlformats.org/drawingml/2006/main"
    ids = "".join(f'<p:sldId id="{256 + number}" r:id="r{number}"/>' for number in range(len(texts)))
    links = "".join(
        f'<Relationship Id="r{number}" Type="{_OFFICE}/slide" Target="slides/slide{number + 1}.xml"/>'
        for number in range(len(texts))
    )
    files: dict[str, str | bytes] = {
        "[Content_Types].xml": f'{_XML}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="xml" '
        'ContentType="application/xml"/></Types>',
        "_rels/.rels": f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{_OFFICE}/officeDocument" Target="ppt/presentation.xml"/></Relationships>',
        "ppt/presentation.xml": f'{_XML}<p:presentation xmlns:p="{main}" xmlns:r="{_OFFICE}"><p:sldIdLst>{ids}'
        "</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{links}'
        "</Relationships>",
    }
    for number, (title, text) in enumerate(texts, 1):
        shapes = "".join(
            f"<p:sp><p:nvSpPr><p:cNvPr id='{2 + place}' name='x'/><p:cNvSpPr/><p:nvPr>{mark}</p:nvPr></p:nvSpPr>"
            f"<p:spPr/><p:txBody><a:bodyPr/><a:p><a:r><a:t>{words}</a:t></a:r></a:p></p:txBody></p:sp>"
            for place, (mark, words) in enumerate((("<p:ph type='title'/>", title), ("<p:ph idx='1'/>", text)))
        )
        slide = (
            f'{_XML}<p:sld xmlns:p="{main}" xmlns:a="{drawing}"><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>'
        )
        files[f"ppt/slides/slide{number}.xml"] = slide
    return zipped(files)

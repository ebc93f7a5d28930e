"""What all readers of a stranger's XML share: no entities, no DTD, no surprise."""

from __future__ import annotations

from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring


class Unreadable(Exception):
    """The document is not what it should be; `code` names the sentence."""

    def __init__(self, code: str) -> None:
        """Keep the code."""
        super().__init__(code)
        self.code = code


def refuse_entities(body: bytes) -> None:
    """Refuse a document that declares entities: they can grow without end.

    Raises:
        Unreadable: `xml_entities`.
    """
    if b"<!ENTITY" in body or b"<\x00!\x00E\x00N\x00T\x00I" in body or b"\x00<\x00!\x00E" in body:
        raise Unreadable("xml_entities")


def root_of(body: bytes, otherwise: str) -> Element:
    """Return the root of an XML document.

    Raises:
        Unreadable: `xml_entities`, or the code `otherwise` where it isn't XML.
    """
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except DefusedXmlException as error:
        raise Unreadable("xml_entities") from error
    except (ParseError, ValueError, LookupError) as error:
        raise Unreadable(otherwise) from error
    return root


def local(element: Element) -> str:
    """Return an element's name without its namespace."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def text_of(parent: Element, name: str) -> str:
    """Return the text of the first child of that name, '' without one."""
    return next(((one.text or "").strip() for one in parent if local(one) == name), "")

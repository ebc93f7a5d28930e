"""The sentences behind the codes of pulls: why an item was skipped, why a whole pull failed."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

_NETWORK: Mapping[str, Promise] = {
    "url_invalid": lazy("This is not an address that can be asked for."),
    "port_refused": lazy("The address has a port other than 80 and 443."),
    "address_refused": lazy("This address is not on the public internet."),
    "host_unknown": lazy("The host's name is unknown."),
    "redirect_refused": lazy("The server leads from https to http."),
    "too_many_redirects": lazy("The address leads from one place to the next too often."),
    "fetch_timeout": lazy("The server took too long to answer."),
    "fetch_failed": lazy("The server could not be reached, or broke off its answer."),
    "fetch_too_large": lazy("It is larger than a page or file may be here."),
    "http_status": lazy("The server answered %(status)s."),
    "robots_disallowed": lazy("The site's robots.txt doesn't let us ask for it."),
    "robots_unreachable": lazy("The site's robots.txt can't be had just now, so nothing is asked."),
    "other_host": lazy("It leads to another host than the sitemap's."),
    "parser_died": lazy("Reading it took too much memory or time."),
    "xml_entities": lazy("The XML declares entities, which are not read."),
}
SKIPPED: Mapping[str, Promise] = {
    **_NETWORK,
    "not_html": lazy("It is not a web page but %(type)s."),
    "no_article": lazy("No article was found in the page."),
    "not_a_sitemap": lazy("It is not a sitemap."),
    "sitemap_too_large": lazy("The sitemap is larger than 50 MB."),
    "sitemap_too_deep": lazy("A sitemap that lists sitemaps may not list further such ones."),
    "over_page_limit": lazy("The pull's limit of pages was reached; the next one goes on."),
    "time_over": lazy("The pull's time was over; the next one goes on."),
    "format_unknown": lazy("The ending of its name is of no format that can be imported."),
    "object_too_large": lazy("It is larger than the plan's limit for files."),
    "object_empty": lazy("It is empty."),
}
FAILED: Mapping[str, Promise] = {
    **_NETWORK,
    "quota_exceeded": lazy("The workspace has no room left: %(sentence)s"),
    "file_too_large": lazy("The file is larger than the plan's limit for files."),
    "file_empty": lazy("The file is empty."),
    "not_a_feed": lazy("This is neither an RSS nor an Atom feed. Give the feed's own address."),
    "not_a_sitemap": lazy("This is not a sitemap. Its address often ends in /sitemap.xml."),
    "sitemap_too_large": lazy("The sitemap is larger than 50 MB. Give one of its parts."),
    "not_s3": lazy("The endpoint doesn't answer as an S3 store. Check its address."),
    "bucket_refused": lazy(
        "The store refused: %(says)s (%(status)s). Check bucket, region and keys."
    ),
    "secret_unreadable": lazy("The secret key can't be read any more. Edit it and enter it again."),
    "dataset_moving": lazy("The dataset was being frozen. Pull again in a moment."),
    "work_lost": lazy(
        "The workers on this died three times. Pull again; if that repeats, tell us."
    ),
}


def skipped_sentence(code: str, detail: Mapping[str, object]) -> str:
    """Return why an item was skipped, in the language that is active now."""
    return str(SKIPPED[code]) % dict(detail) if code in SKIPPED else code


def failed_sentence(code: str, detail: Mapping[str, object]) -> str:
    """Return why a pull failed, or '' for no code."""
    if not code:
        return ""
    return str(FAILED[code]) % dict(detail) if code in FAILED else _("The pull failed.")

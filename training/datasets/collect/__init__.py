"""Reading what sites and stores offer: robots.txt, feeds, sitemaps, pages, listings. Pure.

No module here opens a connection or a table. What reads a stranger's HTML or XML runs in a child
process with limits (`reading`).
"""

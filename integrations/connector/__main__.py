"""After a change of the API: python -m integrations.connector"""

from integrations.connector.definition import FILE, text

FILE.write_text(text(), encoding="utf-8")
print(f"{FILE} is up to date")

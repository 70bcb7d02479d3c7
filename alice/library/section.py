"""Sections: parts of a page, of a few sentences each, that help can refer to."""

from peewee import SQL, CharField, IntegerField, TextField

from alice.database import Model
from alice.ids import new_id


class Section(Model):
    id = CharField(36, primary_key=True, default=new_id)
    book_id = TextField()
    page_number = IntegerField()
    section_number = IntegerField()
    content = TextField()  # plain text
    html = TextField()  # made and escaped by the importer
    word_count = IntegerField()

    class Meta:
        table_name = "sections"
        indexes = ((("book_id", "page_number", "section_number"), True),)
        constraints = [
            SQL(
                "FOREIGN KEY (book_id, page_number) REFERENCES pages (book_id, page_number) ON DELETE CASCADE"
            )
        ]

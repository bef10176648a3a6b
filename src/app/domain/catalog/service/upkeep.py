"""What the catalogue tidies now and then. Nobody waits for it: a reader sees no change."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# Rows that others have locked are folded the next time.
_FOLD = text("""
    WITH taken AS (SELECT id FROM product_tally ORDER BY id LIMIT 100000 FOR UPDATE SKIP LOCKED),
         gone AS (DELETE FROM product_tally t USING taken WHERE t.id = taken.id RETURNING t.*)
    INSERT INTO product_tally (category_id, is_available, products)
    SELECT category_id, is_available, sum(products) FROM gone GROUP BY 1, 2 HAVING sum(products) <> 0
""")
_COUNT = text("SELECT count(*) - count(DISTINCT (category_id, is_available)) FROM product_tally")
# Words that no product has any more would draw typing errors to themselves; those of two writers at once repeat.
_FORGET_WORDS = text("""
    DELETE FROM search_word k
     WHERE NOT EXISTS (SELECT FROM product p WHERE p.deleted_at IS NULL
                        AND p.search_words @@ CAST(catalogue_quote(k.word) AS tsquery))
        OR EXISTS (SELECT FROM search_word s WHERE s.word = k.word AND s.id < k.id)
""")


class CatalogueUpkeep:
    """In the caller's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def fold_counts(self) -> int:
        """Make one row of the counts of each category and availability; returns how many rows went."""
        superfluous = int((await self.session.execute(_COUNT)).scalar_one())
        if superfluous:
            await self.session.execute(_FOLD)
        return superfluous

    async def forget_words(self) -> int:
        """Forget words that are in no product any more; returns how many."""
        return int(getattr(await self.session.execute(_FORGET_WORDS), "rowcount", 0))

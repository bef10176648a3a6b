-- What lists, search and caches of the catalogue need. Words first, then counts, then the mark of a change.

-- Text as it is compared: one form of each letter, no accents, no case.
CREATE FUNCTION catalogue_fold(p_text text) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT lower(unaccent(normalize(p_text, NFKC)))
$$;

-- A word without the marks around it: `"doble"` is doble, `100%` is 100. Empty when there is nothing but marks.
CREATE FUNCTION catalogue_bare(p_word text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT regexp_replace(p_word, '^[^[:alnum:]]+|[^[:alnum:]]+$', '', 'g')
$$;

-- The words by which a folded text is found: as written between spaces, without the marks around them, and the pieces
-- between marks (`n-p-k` is found by itself and by k). Arrays and a loop: planned as sets, they cost a hundred times more.
CREATE FUNCTION catalogue_words(p_folded text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    words text[] := string_to_array(p_folded, ' ');
    chunk text;
BEGIN
    IF p_folded ~ '[^[:alnum:] ]' THEN
        words := regexp_split_to_array(p_folded, '\s+');
        FOREACH chunk IN ARRAY words LOOP
            IF chunk ~ '[^[:alnum:]]' THEN
                words := words || catalogue_bare(chunk) || regexp_split_to_array(chunk, '[^[:alnum:]]+');
            END IF;
        END LOOP;
    END IF;
    RETURN array_remove(words, '');
END $$;

-- A word as it stands in the text form of a tsvector or a tsquery.
CREATE FUNCTION catalogue_quote(p_word text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT '''' || replace(replace(p_word, '\', '\\'), '''', '''''') || ''''
$$;

-- The words of a product with where they stand: A its name, B its brand, C its category.
CREATE FUNCTION catalogue_vector(p_name text, p_brand text, p_category text) RETURNS tsvector
LANGUAGE plpgsql STABLE AS $$
DECLARE
    found text := '';
    word text;
BEGIN
    FOREACH word IN ARRAY catalogue_words(catalogue_fold(p_name)) LOOP
        found := found || catalogue_quote(left(word, 100)) || ':1A ';
    END LOOP;
    FOREACH word IN ARRAY catalogue_words(catalogue_fold(p_brand)) LOOP
        found := found || catalogue_quote(left(word, 100)) || ':2B ';
    END LOOP;
    FOREACH word IN ARRAY catalogue_words(catalogue_fold(COALESCE(p_category, ''))) LOOP
        found := found || catalogue_quote(left(word, 100)) || ':3C ';
    END LOOP;
    RETURN found::tsvector;
END $$;

-- A product's words, kept beside it by every writer.
CREATE FUNCTION catalogue_index_product() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    category_name text;
BEGIN
    -- The lock keeps a renaming of the category away until this product can be seen by it. One that was there before is
    -- waited for by the renaming, which comes from the category to its products: no lock the other way round.
    IF TG_OP = 'INSERT' OR NEW.category_id IS DISTINCT FROM OLD.category_id THEN
        PERFORM FROM category c WHERE c.id = NEW.category_id FOR KEY SHARE;
    END IF;
    SELECT c.name INTO category_name FROM category c WHERE c.id = NEW.category_id;
    NEW.search_name := catalogue_fold(NEW.name);
    NEW.search_words := catalogue_vector(NEW.name, NEW.brand, category_name);
    INSERT INTO search_word (word)
    SELECT w FROM unnest(tsvector_to_array(NEW.search_words)) AS w
     WHERE NOT EXISTS (SELECT FROM search_word k WHERE k.word = w);
    RETURN NEW;
END $$;

CREATE TRIGGER catalogue_words BEFORE INSERT OR UPDATE OF name, brand, category_id ON product
    FOR EACH ROW EXECUTE FUNCTION catalogue_index_product();

-- A category's new name is a word of all its products.
CREATE FUNCTION catalogue_index_category() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE product SET category_id = category_id WHERE category_id = NEW.id;
    RETURN NULL;
END $$;

CREATE TRIGGER catalogue_words AFTER UPDATE OF name ON category
    FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION catalogue_index_category();

-- The words of the catalogue that one word of a search stands for: those that begin with it and those that contain it;
-- NULL when there are none. A word of one or two letters only begins others, one with marks is taken as it is.
CREATE FUNCTION catalogue_known(p_word text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    found text;
BEGIN
    IF EXISTS (SELECT FROM search_word k
                WHERE k.word >= p_word AND k.word < p_word || chr(1114111)) THEN
        found := catalogue_quote(p_word) || ':*';
    END IF;
    IF length(p_word) >= 3 OR p_word ~ '[^[:alnum:]]' THEN
        SELECT concat_ws(' | ', found, string_agg(catalogue_quote(i.word), ' | ')) INTO found
          FROM (SELECT k.word FROM search_word k
                 WHERE k.word LIKE '%' || regexp_replace(p_word, '([\\%_])', '\\\1', 'g') || '%'
                   AND NOT k.word ^@ p_word
                 GROUP BY k.word ORDER BY length(k.word), k.word LIMIT 64) i;
    END IF;
    RETURN NULLIF(found, '');
END $$;

-- How many errors a typist may make in a word.
CREATE FUNCTION catalogue_errors(p_word text) RETURNS integer
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN length(p_word) < 4 THEN 0 WHEN length(p_word) < 7 THEN 1 ELSE 2 END
$$;

-- Errors between what was typed and a word, or the beginning of one; two letters in each other's place are one error.
CREATE FUNCTION catalogue_distance(p_typed text, p_word text) RETURNS integer
LANGUAGE sql IMMUTABLE AS $$
    SELECT min(CASE WHEN d.errors = 2 AND length(d.part) = length(p_typed)
                     AND (SELECT string_agg(c, '' ORDER BY c) FROM regexp_split_to_table(p_typed, '') c)
                       = (SELECT string_agg(c, '' ORDER BY c) FROM regexp_split_to_table(d.part, '') c)
                    THEN 1 ELSE d.errors END)
      FROM (SELECT DISTINCT left(p_word, length(p_typed) + n) AS part FROM generate_series(-1, 1) n
            UNION SELECT p_word) p,
           LATERAL (SELECT p.part, levenshtein_less_equal(left(p_typed, 60), left(p.part, 60), 2) AS errors) d
$$;

-- The nearest words of the catalogue to one that nothing begins with or contains; NULL when none is near enough.
CREATE FUNCTION catalogue_near(p_word text) RETURNS text
LANGUAGE sql STABLE SET pg_trgm.similarity_threshold = 0.2 AS $$
    SELECT string_agg(catalogue_quote(n.word), ' | ')
      FROM (SELECT k.word, catalogue_distance(p_word, k.word) AS errors,
                   min(catalogue_distance(p_word, k.word)) OVER () AS least
              FROM (SELECT DISTINCT word FROM search_word
                     WHERE word % p_word AND length(word) >= length(p_word) - 2) k) n
     WHERE n.errors = n.least AND n.errors <= catalogue_errors(p_word)
$$;

-- What one word of a search asks for; NULL when it asks for nothing (a lone dash).
CREATE FUNCTION catalogue_term(p_chunk text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    bare text := catalogue_bare(p_chunk);
    pieces text[] := array_remove(regexp_split_to_array(p_chunk, '[^[:alnum:]]+'), '');
    term text := catalogue_known(p_chunk);
BEGIN
    IF term IS NULL AND bare NOT IN ('', p_chunk) AND p_chunk !~ '[\\%_]' THEN
        term := catalogue_known(bare);
    END IF;
    IF term IS NOT NULL OR bare = '' THEN
        RETURN term;
    END IF;
    -- Wildcards of other languages are plain characters here, and no typing error makes one.
    IF p_chunk ~ '[\\%_]' THEN
        RETURN catalogue_quote(p_chunk);
    END IF;
    IF cardinality(pieces) > 1 THEN
        SELECT string_agg('(' || COALESCE(catalogue_known(p), catalogue_near(p), catalogue_quote(p) || ':*') || ')', ' & ')
          INTO term FROM unnest(pieces) p;
        RETURN term;
    END IF;
    -- A word that has been forgotten while its first product was written is found so all the same.
    RETURN COALESCE(catalogue_near(bare), catalogue_quote(bare) || ':*');
END $$;

-- A search as a query of words, all of which have to be there in any order; NULL finds nothing. A lone dash between
-- words asks for nothing.
CREATE FUNCTION catalogue_query(p_search text) RETURNS tsquery
LANGUAGE plpgsql STABLE AS $$
DECLARE
    chunks text[] := array_remove(regexp_split_to_array(left(catalogue_fold(p_search), 400), '\s+'), '');
    whole text := array_to_string(chunks, '');
    chunk text;
    term text;
    found text;
BEGIN
    FOREACH chunk IN ARRAY chunks[1:12] LOOP
        CONTINUE WHEN chunk ~ '^[!-/:-@\[-`{-~]+$' AND whole ~ '[^!-/:-@\[-`{-~]';
        term := catalogue_term(left(chunk, 100));
        IF term IS NOT NULL THEN
            found := concat_ws(' & ', found, '(' || term || ')');
        END IF;
    END LOOP;
    RETURN found::tsquery;
END $$;

-- How many products there are, by category and availability: the sum of the rows. A writer adds rows and so waits for
-- nobody; a job folds them.
CREATE FUNCTION catalogue_count() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO product_tally (category_id, is_available, products)
        SELECT category_id, is_available, count(*) FROM added WHERE deleted_at IS NULL GROUP BY 1, 2;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO product_tally (category_id, is_available, products)
        SELECT category_id, is_available, -count(*) FROM gone WHERE deleted_at IS NULL GROUP BY 1, 2;
    ELSE
        INSERT INTO product_tally (category_id, is_available, products)
        SELECT category_id, is_available, sum(n)
          FROM (SELECT category_id, is_available, 1 AS n FROM added WHERE deleted_at IS NULL
                UNION ALL SELECT category_id, is_available, -1 FROM gone WHERE deleted_at IS NULL) c
         GROUP BY 1, 2 HAVING sum(n) <> 0;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER catalogue_count_insert AFTER INSERT ON product REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_count();
CREATE TRIGGER catalogue_count_update AFTER UPDATE ON product REFERENCING OLD TABLE AS gone NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_count();
CREATE TRIGGER catalogue_count_delete AFTER DELETE ON product REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_count();

-- Whoever changes what the catalogue shows leaves a mark that no other transaction has left: what was kept under an
-- older one is over. It is left at the very end of the transaction, once, so that writers wait for each other's commit
-- alone and not in circles.
CREATE FUNCTION catalogue_mark() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    mine text := pg_current_xact_id()::text;
BEGIN
    IF current_setting('relampago.catalogue_mark', true) IS DISTINCT FROM mine THEN
        INSERT INTO catalogue_version (single, changed_by) VALUES (true, mine)
            ON CONFLICT (single) DO UPDATE SET changed_by = excluded.changed_by;
        PERFORM set_config('relampago.catalogue_mark', mine, true);
    END IF;
    RETURN NULL;
END $$;

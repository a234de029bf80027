-- Schema version 2 of the store and 3 of the wrapped keys: the walls between the tenants hold no query of their own,
-- which Citus refuses in a policy of a table that it distributes.
DO $$
DECLARE
    wall record;
BEGIN
    FOR wall IN SELECT tablename, policyname FROM pg_policies WHERE schemaname = '{schema}' LOOP
        IF wall.policyname = 'one_tenant' THEN
            EXECUTE format(
                'ALTER POLICY one_tenant ON {schema}.%I '
                'USING (tenant = nullif(current_setting(''whisp.tenant'', true), '''')::uuid)', wall.tablename);
        ELSIF wall.policyname = 'every_tenant' THEN
            EXECUTE format(
                'ALTER POLICY every_tenant ON {schema}.%I '
                'USING (current_setting(''whisp.every_tenant'', true) = ''on'')', wall.tablename);
        END IF;
    END LOOP;
END
$$;

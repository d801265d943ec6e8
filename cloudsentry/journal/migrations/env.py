"""Runs migrations on the connection that `cloudsentry.journal.store` hands over, in its transaction."""

from alembic import context

from cloudsentry.journal.tables import metadata

# transactional_ddl: alembic takes SQLite for a database that commits at every CREATE. It does not, begun
# by hand as the store does, so a process killed in the middle of a migration leaves the schema as it was.
connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=connection.dialect.name in ("sqlite", "postgresql"),
    render_as_batch=True,
)
if connection.dialect.name in ("mysql", "mariadb"):
    # Its default takes two names for one that differ in case, and may not know every script.
    connection.exec_driver_sql("ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
with context.begin_transaction():
    context.run_migrations()

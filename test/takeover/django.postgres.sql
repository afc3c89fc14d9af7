-- The outbox of a Django Broadcaster app on PostgreSQL, as `manage.py migrate` of Django 4.2 to 5.2 makes it (written by
-- knowledge of Django's schema editor; names of indexes are computed as it does). All values are given by Django's ORM:
-- no column has a default.
CREATE TABLE "outbox_events" (
  "id" uuid NOT NULL PRIMARY KEY,
  "spec_version" varchar(10) NOT NULL,
  "event_type" varchar(255) NOT NULL,
  "source" varchar(255) NOT NULL,
  "subject" varchar(255) NOT NULL,
  "data_content_type" varchar(100) NOT NULL,
  "data_schema" varchar(200) NOT NULL,
  "data" jsonb NULL,
  "status" varchar(20) NOT NULL,
  "created_at" timestamp with time zone NOT NULL,
  "updated_at" timestamp with time zone NOT NULL,
  "scheduled_at" timestamp with time zone NOT NULL,
  "published_at" timestamp with time zone NULL,
  "retry_count" integer NOT NULL CHECK ("retry_count" >= 0),
  "max_retries" integer NOT NULL CHECK ("max_retries" >= 0),
  "last_error" text NOT NULL,
  "publisher_backend" varchar(100) NOT NULL,
  "publisher_config" jsonb NOT NULL
);
CREATE INDEX "outbox_events_event_type_be2433af" ON "outbox_events" ("event_type");
CREATE INDEX "outbox_events_event_type_be2433af_like" ON "outbox_events" ("event_type" varchar_pattern_ops);
CREATE INDEX "outbox_events_status_86c5cced" ON "outbox_events" ("status");
CREATE INDEX "outbox_events_status_86c5cced_like" ON "outbox_events" ("status" varchar_pattern_ops);
CREATE INDEX "outbox_events_created_at_c16d9c3f" ON "outbox_events" ("created_at");
CREATE INDEX "outbox_events_scheduled_at_6a2d7649" ON "outbox_events" ("scheduled_at");
CREATE INDEX "outbox_even_status_83a3ef_idx" ON "outbox_events" ("status", "scheduled_at");
CREATE INDEX "outbox_even_event_t_fc32b0_idx" ON "outbox_events" ("event_type", "created_at");

-- The outbox of a Django Broadcaster app on MySQL 8.0.16 or newer, as `manage.py migrate` makes it: what the schema editor of
-- Django 5.2 printed. As on MariaDB, but `json` is a type of its own, without a check.
CREATE TABLE `outbox_events` (
  `id` char(32) NOT NULL PRIMARY KEY,
  `spec_version` varchar(10) NOT NULL,
  `event_type` varchar(255) NOT NULL,
  `source` varchar(255) NOT NULL,
  `subject` varchar(255) NOT NULL,
  `data_content_type` varchar(100) NOT NULL,
  `data_schema` varchar(200) NOT NULL,
  `data` json NULL,
  `status` varchar(20) NOT NULL,
  `created_at` datetime(6) NOT NULL,
  `updated_at` datetime(6) NOT NULL,
  `scheduled_at` datetime(6) NOT NULL,
  `published_at` datetime(6) NULL,
  `retry_count` integer UNSIGNED NOT NULL CHECK (`retry_count` >= 0),
  `max_retries` integer UNSIGNED NOT NULL CHECK (`max_retries` >= 0),
  `last_error` longtext NOT NULL,
  `publisher_backend` varchar(100) NOT NULL,
  `publisher_config` json NOT NULL
);
CREATE INDEX `outbox_events_event_type_be2433af` ON `outbox_events` (`event_type`);
CREATE INDEX `outbox_events_status_86c5cced` ON `outbox_events` (`status`);
CREATE INDEX `outbox_events_created_at_c16d9c3f` ON `outbox_events` (`created_at`);
CREATE INDEX `outbox_events_scheduled_at_6a2d7649` ON `outbox_events` (`scheduled_at`);
CREATE INDEX `outbox_even_status_83a3ef_idx` ON `outbox_events` (`status`, `scheduled_at`);
CREATE INDEX `outbox_even_event_t_fc32b0_idx` ON `outbox_events` (`event_type`, `created_at`);

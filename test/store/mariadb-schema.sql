CREATE TABLE `outbox_events` (
  `id` char(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT lcase(concat(lpad(hex(timestampdiff(MICROSECOND,'1970-01-01',utc_timestamp(6)) DIV 1000),12,'0'),'7',substr(hex(floor(rand() * 4096) + 4096),2),'8',left(md5(concat(uuid(),rand())),15))),
  `spec_version` varchar(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL DEFAULT '1.0',
  `event_type` varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  `source` varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  `subject` varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL DEFAULT '',
  `data_content_type` varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL DEFAULT 'application/json',
  `data_schema` varchar(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL DEFAULT '',
  `data` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT NULL,
  `status` varchar(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'pending',
  `created_at` datetime(6) NOT NULL DEFAULT utc_timestamp(6),
  `updated_at` datetime(6) NOT NULL DEFAULT utc_timestamp(6),
  `scheduled_at` datetime(6) NOT NULL DEFAULT utc_timestamp(6),
  `published_at` datetime(6) DEFAULT NULL,
  `retry_count` int(10) unsigned NOT NULL DEFAULT 0,
  `max_retries` int(10) unsigned NOT NULL DEFAULT 3,
  `last_error` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL DEFAULT '',
  `publisher_backend` varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL DEFAULT '',
  `publisher_config` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL DEFAULT '{}',
  `seq` bigint(20) NOT NULL AUTO_INCREMENT,
  `partition_key` varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT NULL,
  `lane` smallint(6) NOT NULL DEFAULT (case when `partition_key` is null then floor(rand() * 64) else conv(left(sha2(`partition_key`,256),8),16,10) MOD 64 end),
  `event_id` text CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT NULL,
  `event_time` text CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT NULL,
  `data_binary` longblob DEFAULT NULL,
  `extensions` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT NULL,
  `available_at` datetime(6) DEFAULT (case when `scheduled_at` > utc_timestamp(6) then `scheduled_at` end),
  `attempts` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT NULL,
  `progress` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT NULL,
  `stage` tinyint(4) GENERATED ALWAYS AS (case when `status` in ('pending','retry','processing') then case when `available_at` is null then 1 when `status` = 'retry' then 3 else 2 end when `status` = 'failed' then 4 end) STORED,
  `identity` binary(32) GENERATED ALWAYS AS (case when `event_id` is not null then unhex(sha2(concat(octet_length(`source`),':',`source`,octet_length(`event_id`),':',`event_id`,`publisher_backend`),256)) end) STORED,
  `generation` int(10) unsigned NOT NULL DEFAULT 0,
  `error_code` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `error_fingerprint` varchar(16) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `outbox_events_seq` (`seq`),
  UNIQUE KEY `outbox_events_identity` (`identity` DESC),
  KEY `outbox_events_work` (`publisher_backend`,`stage`,`lane`,`available_at`,`seq`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci ROW_FORMAT=DYNAMIC;

CREATE TABLE `outbox_lanes` (
  `backend` varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  `lane` smallint(6) NOT NULL,
  `owner` char(36) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `fence` bigint(20) NOT NULL DEFAULT 0,
  `attention` bigint(20) NOT NULL DEFAULT 0,
  `hold` bigint(20) NOT NULL DEFAULT 0,
  `hold_until` datetime(6) DEFAULT NULL,
  `quiet_for` bigint(20) NOT NULL DEFAULT 0,
  PRIMARY KEY (`backend`,`lane`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE `outbox_workers` (
  `id` char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `name` text CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  `backends` text CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  `entered_at` datetime(6) NOT NULL,
  `lease_until` datetime(6) NOT NULL,
  `version` varchar(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE `outbox_breakers` (
  `backend` varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  `open` tinyint(4) NOT NULL,
  `probe_at` datetime(6) NOT NULL,
  `since` datetime(6) NOT NULL,
  `error` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  `paused_at` datetime(6) DEFAULT NULL,
  `paused_by` varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT NULL,
  `pause_reason` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT NULL,
  PRIMARY KEY (`backend`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE `outbox_destinations` (
  `backend` varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  `destination` varchar(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  `probe_at` datetime(6) NOT NULL,
  `since` datetime(6) NOT NULL,
  `error` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  PRIMARY KEY (`backend`,`destination`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci ROW_FORMAT=DYNAMIC;

CREATE TABLE `outbox_rates` (
  `backend` varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  `destination` varchar(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  `spent_until` datetime(6) NOT NULL,
  PRIMARY KEY (`backend`,`destination`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci ROW_FORMAT=DYNAMIC;

CREATE TABLE `outbox_settings` (
  `single` tinyint(4) NOT NULL,
  `lanes` smallint(6) NOT NULL,
  PRIMARY KEY (`single`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE `outbox_inbox` (
  `consumer` varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  `source` varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  `event_id` varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  `repeats` int(10) unsigned NOT NULL DEFAULT 0,
  `handled_at` datetime(6) NOT NULL DEFAULT utc_timestamp(6),
  PRIMARY KEY (`consumer`,`source`,`event_id`),
  KEY `inbox_age` (`handled_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci ROW_FORMAT=DYNAMIC;

CREATE TABLE `outbox_audit` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `at` datetime(6) NOT NULL,
  `who` varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  `what` varchar(50) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `target` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  `reason` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  `operation` bigint(20) DEFAULT NULL,
  `outcome` varchar(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `counts` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  `ended_at` datetime(6) DEFAULT NULL,
  `error` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci ROW_FORMAT=DYNAMIC;

CREATE TABLE `outbox_operations` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `kind` varchar(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `who` varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  `reason` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  `filter` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  `conditions` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  `params` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  `rate` double DEFAULT NULL,
  `state` varchar(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `began_at` datetime(6) NOT NULL,
  `ended_at` datetime(6) DEFAULT NULL,
  `matched` bigint(20) DEFAULT NULL,
  `moved` bigint(20) NOT NULL DEFAULT 0,
  `left_alone` bigint(20) NOT NULL DEFAULT 0,
  `position` char(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `next_at` datetime(6) DEFAULT NULL,
  `owner` char(36) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `lease_until` datetime(6) DEFAULT NULL,
  `audit` bigint(20) DEFAULT NULL,
  `error` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci ROW_FORMAT=DYNAMIC;

CREATE TABLE `outbox_undo` (
  `entry` bigint(20) NOT NULL,
  `event` char(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `generation` int(11) NOT NULL,
  `status` varchar(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `retry_count` int(11) NOT NULL,
  `scheduled_at` datetime(6) NOT NULL,
  `held` tinyint(1) NOT NULL,
  PRIMARY KEY (`entry`,`event`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci ROW_FORMAT=DYNAMIC;

CREATE TABLE `outbox_duties` (
  `duty` varchar(50) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `holder` varchar(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `lease_until` datetime(6) NOT NULL,
  PRIMARY KEY (`duty`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci ROW_FORMAT=DYNAMIC;

CREATE TABLE `outbox_migrations` (
  `version` int(11) NOT NULL,
  `name` varchar(100) NOT NULL,
  `breaking` tinyint(4) NOT NULL,
  `applied_at` datetime(6) NOT NULL DEFAULT utc_timestamp(6),
  PRIMARY KEY (`version`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

/**
 * Text that is compared byte by byte, trailing spaces included. The two databases have different names for that
 * collation (`utf8mb4_bin` ignores trailing spaces in both), so each reads its own comment: MariaDB the first, MySQL
 * the second.
 */
export const TEXT = 'CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */'

/** Text of ASCII letters and digits, byte by byte. */
export const ASCII = 'CHARACTER SET ascii COLLATE ascii_bin'

/** A UUID v7 by the database, for rows that others insert. */
export const UUID_V7 = `(LOWER(CONCAT(
    LPAD(HEX(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000), 12, '0'),
    '7', SUBSTR(HEX(FLOOR(RAND() * 4096) + 4096), 2), '8', LEFT(MD5(CONCAT(UUID(), RAND())), 15))))`

/** The lane of a row that others insert: from its key, as publish computes it, or random. */
export function laneDefault(lanes: number): string {
  return `(CASE WHEN partition_key IS NULL THEN FLOOR(RAND() * ${lanes})
    ELSE CONV(LEFT(SHA2(partition_key, 256), 8), 16, 10) MOD ${lanes} END)`
}

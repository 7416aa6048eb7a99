/*
 * conf_file.h - libconfig's tree into struct conf, by the schema.
 */
#ifndef LOADED_CONF_FILE_H
#define LOADED_CONF_FILE_H

#include "loaded/conf_source.h"

/* Fills the report's conf; mistakes are lines and counts in it. */
void conf_file_read(struct conf_report *r, const struct conf_source *source);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The pieces of a generated config.json. */

#include "codec/json.h"
#include "spec/generate.h"

void generate_strings(struct dv_jw *w, const char *key, const char *const *items, size_t n);
void generate_pairs(struct dv_jw *w, const char *key, const struct spec_string_pair *pairs,
		    size_t n);
void generate_id_mappings(struct dv_jw *w, const char *key, const struct spec_id_mapping *m,
			  size_t n);
void generate_mounts(struct dv_jw *w, const struct spec_container *c);
void generate_resources(struct dv_jw *w, const struct spec_resources *r,
			const struct spec_container *c);
void generate_linux(struct dv_jw *w, const struct spec_container *c);

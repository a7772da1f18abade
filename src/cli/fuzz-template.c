/* SPDX-License-Identifier: Apache-2.0 */
/* Any template over any JSON: the two are separated by the first NUL byte. */

#include <stdint.h>

#include "template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char preset[] = "{\"A\":[1,\"x\",{\"B\":null}],\"C\":{\"D\":true,\"E\":1.5}}";
	DV_CLEANUP(cli_template_freep) struct cli_template *t = NULL;
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT, out = DV_STRBUF_INIT;
	const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
	size_t n = nul ? (size_t)(nul - data) : size;
	struct dv_err *e;

	dv_strbuf_add_n(&text, data, n);
	e = nul ? dv_json_parse((const char *)nul + 1, size - n - 1, &doc)
		: dv_json_parse(preset, sizeof(preset) - 1, &doc);
	if (!e)
		e = cli_template_parse(text.data, &t);
	for (int is_header = 0; !e && is_header < 2; is_header++)
		e = cli_template_run(t,
				     &(struct cli_template_data){
					     .root = doc, .labels = doc, .is_header = is_header },
				     &out);
	dv_err_free(e);
	return 0;
}

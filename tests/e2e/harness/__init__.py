# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: the runtime under test, its containers, and what the machine can do."""
